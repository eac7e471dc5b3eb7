# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of cspp.drover.disk_moves: progress while disks are copied."""

from __future__ import annotations

from ansible_collections.cspp.drover.plugins.plugin_utils.progress import Watched


class ActionModule(Watched):
    """See Watched."""
