#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge receivers of notifications, and send them a message."""

from __future__ import annotations

DOCUMENTATION = r"""
module: notify_check
short_description: Judge receivers of notifications, and send them a message
version_added: 0.5.0
description:
  - Fails for a receiver that apprise makes nothing of. No URL is shown, in no output and no log.
  - On a node without apprise, which a dry run may find, URLs are judged by their form alone.
options:
  receivers:
    description: URLs as apprise takes them, by names of the site's own.
    type: dict
    required: true
  test:
    description: Whether to send each a message, and to fail when one could not be sent.
    type: bool
    default: false
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Sends nothing.
"""

EXAMPLES = r"""
- name: See whether messages come
  cspp.drover.notify_check:
    receivers:
      phone: "ntfys://ntfy.example.org/{{ vault_topic }}"
    test: true
  run_once: true
"""

RETURN = r"""
sent:
  description: The receivers that were sent a message.
  type: list
  elements: str
  returned: success
"""

import sys
from collections.abc import Mapping

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.node_name import node_name
from ansible_collections.cspp.drover.plugins.module_utils.core.parallel import side_by_side
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.notify import receivers

PATIENCE = 45.0


def judge(urls: Mapping[str, str], check: bool) -> None:
    """Raises DroverError for receivers that cannot be told."""
    faults = receivers.malformed(urls)
    if not faults:
        try:
            faults = [f"{name}: {why}" for name, url in urls.items() if (why := receivers.fault(url))]
        except ImportError as error:
            if not check:
                raise DroverError(f"{sys.executable} has no apprise: {error}", remedy="Install the package.") from error
    if faults:
        raise DroverError(f"nobody could be told: {'; '.join(faults)}", remedy="See docs/monitoring.md.")


def send(urls: Mapping[str, str]) -> list[str]:
    """Send each a message. Raises DroverError when one could not be sent."""
    body = f"This is a test: {node_name()} can tell you what happens to the cluster; nothing is left to do."

    def one(name: str) -> bool:
        try:
            return receivers.send(urls[name], "Drover", body, "info")
        except Exception:  # whatever a plug-in of apprise's raises; its words may hold the URL
            return False

    done = side_by_side(one, urls, patience=PATIENCE)
    if silent := sorted(name for name in urls if not done.get(name)):
        raise DroverError(
            f"no message could be sent to {', '.join(silent)} from {node_name()}",
            remedy="Look at the URL, and whether this node reaches the server.",
        )
    return sorted(urls)


def main() -> None:
    module = QuietModule(
        argument_spec={
            "receivers": {"type": "dict", "required": True, "no_log": True},
            "test": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    urls = {str(name): str(url) for name, url in module.params["receivers"].items()}
    sent: list[str] = []
    with fail_on_error(module):
        judge(urls, module.check_mode)
        if module.params["test"] and not module.check_mode:
            sent = send(urls)
    module.exit_json(changed=False, sent=sent)


if __name__ == "__main__":
    main()
