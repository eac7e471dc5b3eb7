# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of cspp.drover.fence_confirmation: progress while a node is looked at and its guests start.

Ansible finds an action plugin by the name of its file alone.
"""

from __future__ import annotations

from ansible_collections.cspp.drover.plugins.plugin_utils.progress import Watched


class ActionModule(Watched):
    """See Watched."""
