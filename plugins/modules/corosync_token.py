#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have a member of the cluster wait longer for one that is silent, for a while."""

from __future__ import annotations

DOCUMENTATION = r"""
module: corosync_token
short_description: Have a running corosync wait longer for a member that is silent, for a while
version_added: 0.2.0
description:
  - Who works on a node's network makes it silent for a moment, and the others fence who is silent for longer than
    corosync's token time-out. This raises that time-out in the running corosync of a node. Every member needs it.
  - It ends by O(state=restored), by a timer that needs nobody, and by a start of corosync. Until then a node that
    really dies is noticed that much later.
  - Where corosync does not run, nothing happens.
options:
  state:
    description: Whether to raise the time-out, or to have that of the configuration file again.
    type: str
    choices: [raised, restored]
    required: true
  token:
    description: The raised time-out in milliseconds. One that is longer already stays.
    type: int
    default: 20000
  seconds:
    description: Seconds after which the time-out is that of the configuration file again.
    type: int
    default: 90
  path:
    description: The configuration file.
    type: path
    default: /etc/corosync/corosync.conf
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells that it would act and does not.
"""

EXAMPLES = r"""
- name: Have all members wait for who is silent
  cspp.drover.corosync_token:
    state: raised
    seconds: 120
"""

RETURN = r""" # """

import shlex
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.corosync_conf import from_file
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.host.corosync import from_cmap
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error

UNIT = "drover-corosync-token"
KEY = "totem.token"
#: What corosync derives from the time-out. It would hold the token of a ring at rest for longer than members still wait
#: that have not raised theirs yet, so that these stay as they are meanwhile.
DERIVED = ("totem.hold", "totem.token_retransmit")
#: What corosync has where its configuration file says nothing, in milliseconds.
DEFAULT = "3000"


def running() -> dict[str, str]:
    """What the running corosync has, by key; nothing without one."""
    try:
        return from_cmap(run(["corosync-cmapctl"]).stdout)
    except CommandError:  # not installed, or it does not run
        return {}


def setting(key: str, value: str) -> list[str]:
    """What gives the running corosync this setting."""
    return ["corosync-cmapctl", "-s", key, "u32", value]


def restoring(declared: Mapping[str, str]) -> list[list[str]]:
    """What gives the running corosync the settings of its file again."""
    found = [setting(KEY, declared.get(KEY, DEFAULT))]
    for key in DERIVED:
        found.append(setting(key, declared[key]) if key in declared else ["corosync-cmapctl", "-d", key])
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["raised", "restored"], "required": True},
            "token": {"type": "int", "default": 20000},
            "seconds": {"type": "int", "default": 90},
            "path": {"type": "path", "default": "/etc/corosync/corosync.conf"},
        },
        supports_check_mode=True,
    )
    params = module.params
    with fail_on_error(module, OSError, remedy="`journalctl -u corosync` on the node says more."):
        now = running()
        if not now:
            module.exit_json(changed=False)
        back = restoring(from_file(Path(params["path"]).read_text(encoding="utf-8")))
        if not module.check_mode:
            # Of an earlier turn, or an earlier run: it would end this one too early.
            run(["systemctl", "stop", f"{UNIT}.timer"], ok=None)
            if params["state"] == "restored":
                for argv in back:
                    # What is not there cannot be deleted.
                    run(argv, ok=None if "-d" in argv else (0,))
            else:
                timer = [f"--unit={UNIT}", f"--on-active={params['seconds']}", "--timer-property=AccuracySec=1s"]
                script = "; ".join(shlex.join(argv) for argv in back)
                run(["systemd-run", "--collect", *timer, "sh", "-c", script])
                if int(now[f"runtime.config.{KEY}"]) < params["token"]:
                    for key in DERIVED:
                        run(setting(key, now[f"runtime.config.{key}"]))
                    run(setting(KEY, str(params["token"])))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
