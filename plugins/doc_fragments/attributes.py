# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of Drover's modules says alike: check mode, and the groups whose defaults they share."""

from __future__ import annotations


class ModuleDocFragment:
    """A module says more of an attribute by a description of its own."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: Tells what would change and changes nothing.
author: The Drover maintainers (@cspp)
"""

    INFO = r"""
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
author: The Drover maintainers (@cspp)
"""

    DIFF = r"""
attributes:
  diff_mode:
    support: full
    description: One difference per object.
"""

    CLUSTER = r"""
attributes:
  action_group:
    support: full
    description: Use C(group/cspp.drover.cluster) in C(module_defaults) for all modules that ask or change a cluster.
    membership: [cspp.drover.cluster, cspp.drover.all]
"""

    NODE = r"""
attributes:
  action_group:
    support: full
    description: Use C(group/cspp.drover.node) in C(module_defaults) for all modules that deal with one node.
    membership: [cspp.drover.node, cspp.drover.all]
"""

    LAB = r"""
attributes:
  action_group:
    support: full
    description: Use C(group/cspp.drover.lab) in C(module_defaults) for all modules that make a lab.
    membership: [cspp.drover.lab, cspp.drover.all]
"""
