# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Base of modules whose arguments carry what people wrote: file contents, scripts, parameters of fence agents."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

__all__ = ["QuietModule"]


class QuietModule(AnsibleModule):  # type: ignore[misc]
    """An Ansible module that tells the node's journal that it was called, but not with what.

    ``no_log=True`` does not do that: the task's own ``no_log``, false unless told, overrides it (ansible-core 2.19),
    and a task that sets it hides its result as well.
    """

    def _log_invocation(self) -> None:
        self.log("Invoked")
