# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option C(log) of modules that work for a while, see module_utils/reporting/job_log.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Where such a module tells how far it is."""

    DOCUMENTATION = r"""
options:
  log:
    description: The name under which to tell what happens meanwhile; for the action plugin of the same name, which
      prints it.
    type: str
    version_added: 0.3.0
"""
