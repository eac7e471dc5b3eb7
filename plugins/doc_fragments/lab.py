# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options by which modules know which lab is meant."""

from __future__ import annotations


class ModuleDocFragment:
    """Name, network, place and size of a lab."""

    DOCUMENTATION = r"""
options:
  name:
    description: The lab's name.
    type: str
    required: true
  subnet:
    description: The lab's network, with prefix length 24.
    type: str
    required: true
  cache:
    description: The directory that holds C(lab/) (the instances) and C(lab-cache/) (what they share).
    type: path
    required: true
  nodes:
    description: How many nodes. None means no lab.
    type: int
    required: true
  package_port:
    description: TCP port at which the package cache is offered to nodes.
    type: int
    default: 3142
"""
