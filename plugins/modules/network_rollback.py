#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Change a node's network with a way back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_rollback
short_description: Apply a network configuration, with a timer that takes it back
version_added: 0.1.0
description:
  - With O(state=armed) the node copies its network configuration aside and starts a timer that puts it back.
  - With O(state=applied) systemd-networkd reads its files again. Interfaces of O(takeover) leave ifupdown first.
  - With O(state=disarmed) the timer is stopped, which the controller can only ask for when it still reaches the node.
options:
  state:
    description: The step to take.
    type: str
    choices: [armed, applied, disarmed]
    required: true
  after:
    description: Seconds until the way back is taken.
    type: int
    default: 60
  takeover:
    description: Interfaces to take over from ifupdown.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Tells that it would act and does not.
author: The Drover maintainers (@cspp)
"""

EXAMPLES = r"""
- name: Arm the way back
  cspp.drover.network_rollback:
    state: armed
    after: 60
"""

RETURN = r""" # """

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.command import CommandError, run

UNIT = "drover-network-rollback"
ASIDE = Path("/var/lib/drover/network-before")
NETWORKD = Path("/etc/systemd/network")
IFUPDOWN = Path("/etc/network")
#: Run by the timer, when nobody may be there to ask: the copies go back, then both managers read them.
WAY_BACK = f"""set -e
rm -rf {NETWORKD} && cp -a {ASIDE}/networkd {NETWORKD}
if [ -d {ASIDE}/ifupdown ]; then rm -rf {IFUPDOWN} && cp -a {ASIDE}/ifupdown {IFUPDOWN}; fi
for bridge in $(cat {ASIDE}/new-bridges); do ip link delete "$bridge" || true; done
networkctl reload
for link in $(networkctl --no-legend --no-pager list | awk '$3 != "loopback" {{ print $2 }}'); do
    networkctl reconfigure "$link" || true
done
if [ -d {ASIDE}/ifupdown ]; then systemctl restart networking.service; fi
"""


def arm(after: int) -> None:
    """Copy the configuration aside and start the timer."""
    disarm()
    shutil.rmtree(ASIDE, ignore_errors=True)
    ASIDE.mkdir(parents=True)
    NETWORKD.mkdir(parents=True, exist_ok=True)
    shutil.copytree(NETWORKD, ASIDE / "networkd", symlinks=True)
    if IFUPDOWN.is_dir():
        shutil.copytree(IFUPDOWN, ASIDE / "ifupdown", symlinks=True)
    (ASIDE / "new-bridges").write_text("")
    (ASIDE / "way-back").write_text(WAY_BACK)
    run(["systemd-run", f"--unit={UNIT}", f"--on-active={after}", "--collect", "sh", str(ASIDE / "way-back")])


def disarm() -> None:
    """Stop the timer; it may not be running."""
    run(["systemctl", "stop", f"{UNIT}.timer"], ok=None)


def declared_bridges() -> list[str]:
    """Bridges that the files of Drover declare."""
    return [file.stem.removeprefix("05-drover-") for file in NETWORKD.glob("05-drover-*.netdev")]


def apply(takeover: list[str]) -> None:
    """Let systemd-networkd carry its files out."""
    new = [name for name in declared_bridges() if not Path("/sys/class/net", name).exists()]
    (ASIDE / "new-bridges").write_text("\n".join(new))
    if takeover:
        stanza = IFUPDOWN / "interfaces"
        run(["ifdown", "--force", *takeover], ok=None)
        stanza.rename(stanza.with_name("interfaces.before-drover"))
        stanza.write_text("# Taken over by systemd-networkd.\nauto lo\niface lo inet loopback\n")
    run(["networkctl", "reload"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["armed", "applied", "disarmed"], "required": True},
            "after": {"type": "int", "default": 60},
            "takeover": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not module.check_mode:
        try:
            if params["state"] == "armed":
                arm(params["after"])
            elif params["state"] == "applied":
                apply(params["takeover"])
            else:
                disarm()
        except (CommandError, OSError) as error:
            module.fail_json(msg=f"{error}. The node puts its old network configuration back by itself if armed.")
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
