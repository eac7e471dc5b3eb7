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
  - With O(state=armed) the node copies its network configuration aside, remembers which of its O(peers) it reaches and
    what its bridges carry, and starts a timer that puts the copies back, as a boot does from then on. Where an earlier
    run was interrupted, its copies are kept.
  - With O(state=applied) systemd-networkd reads its files again. Interfaces of O(takeover) leave ifupdown first.
    Bridges that Drover declared before and does not any more are deleted, and ports that it declared are released.
    A node that then does not reach its peers again, or whose bridges carry less, takes the way back, and the module
    fails and tells what had been changed. In a cluster it waits for half of corosync's token time-out, so that it is
    back before the others fence it; have all members wait longer first (M(cspp.drover.corosync_token)).
  - With O(state=disarmed) the way back is given up, which the controller can only ask for when it reaches the node.
    Fails when the node has taken it, and tells what had been changed.
  - A bridge that is to be deleted while guests are on it is refused.
options:
  bridges:
    description: With O(state=armed), all bridges that are declared, those that are kept by other means included.
    type: list
    elements: str
    default: []
  foreign:
    description: With O(state=applied), bridges that are kept by other means. They and their ports are left as they are.
    type: list
    elements: str
    default: []
  state:
    description: The step to take.
    type: str
    choices: [armed, applied, disarmed]
    required: true
  peers:
    description: With O(state=armed), addresses of the other nodes.
    type: list
    elements: str
    default: []
  after:
    description: Seconds until the way back is taken.
    type: int
    default: 60
  takeover:
    description: Interfaces to take over from ifupdown.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells that it would act and does not.
"""

EXAMPLES = r"""
- name: Arm the way back
  cspp.drover.network_rollback:
    state: armed
    after: 60
    bridges: [br0]
    peers: [192.0.2.12, 192.0.2.13]
"""

RETURN = r""" # """

import contextlib
import os
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for
from ansible_collections.cspp.drover.plugins.module_utils.host import network_proof, networkd
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error

UNIT = "drover-network-rollback"
ASIDE = Path("/var/lib/drover/network-before")
NETWORKD = Path("/etc/systemd/network")
IFUPDOWN = Path("/etc/network")
LINKS = Path("/sys/class/net")
#: What makes a boot take the way back: the unit, and the link that has it started.
BOOT_UNITS = tuple(
    f"/etc/systemd/system/{place}drover-network-rollback-boot.service" for place in ("", "multi-user.target.wants/")
)
#: There from arming to disarming, unless the way back was taken.
SCRIPT = "way-back"
#: Run by the timer, when nobody may be there to ask: the copies go back, then both managers read them. With "boot",
#: before either has started. Half-way it is called "taking", and begun again by the next boot.
WAY_BACK = f"""set -e
cd {ASIDE}
[ ! -e {SCRIPT} ] || mv {SCRIPT} taking
[ -e refused ] || cp -a {NETWORKD} refused
rm -rf {NETWORKD} && cp -a {ASIDE}/networkd {NETWORKD}
if [ -d {ASIDE}/ifupdown ]; then rm -rf {IFUPDOWN} && cp -a {ASIDE}/ifupdown {IFUPDOWN}; fi
if [ "$1" != boot ]; then
    for bridge in $(cat {ASIDE}/new-bridges); do ip link delete "$bridge" || true; done
    networkctl reload || true
    for link in $(networkctl --no-legend --no-pager list | awk '$3 != "loopback" {{ print $2 }}'); do
        networkctl reconfigure "$link" || true
    done
    if [ -d {ASIDE}/ifupdown ]; then systemctl restart networking.service || true; fi
fi
mv taking taken
rm -f {" ".join(BOOT_UNITS)}
"""
#: A node that was fenced meanwhile, or lost its power, must not come back with what nobody has confirmed.
BOOT_UNIT = f"""[Unit]
Description=Drover: put back the network configuration of before, as the new one was not confirmed
DefaultDependencies=no
RequiresMountsFor={ASIDE}
After=local-fs.target
Before=network-pre.target systemd-networkd.service networking.service
Wants=network-pre.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cd {ASIDE} && for it in {SCRIPT} taking; do [ ! -e $it ] || exec sh $it boot; done'
"""
#: So much of corosync's token time-out a node of a running cluster waits for the others. Going back takes its time, and
#: so does corosync, which wants several answers before it calls a link one again.
TOKENS = 0.5
#: Seconds in which bridges have to carry again.
CARRIER_PATIENCE = 10.0


class WayBackTaken(DroverError):
    """The node has put its old network configuration back."""


class NotProven(WayBackTaken):
    """The node lost something by the new configuration."""


class InUse(DroverError):
    """A bridge that is to go still carries what Drover did not attach to it: guests, most likely."""


def arm(after: int, bridges: list[str], peers: list[str]) -> None:
    """Copy the configuration aside, note what there is to lose, and start the timer."""
    stop()
    if not (ASIDE / SCRIPT).exists():
        shutil.rmtree(ASIDE, ignore_errors=True)
        ASIDE.mkdir(parents=True)
        NETWORKD.mkdir(parents=True, exist_ok=True)
        shutil.copytree(NETWORKD, ASIDE / "networkd", symlinks=True)
        if IFUPDOWN.is_dir():
            shutil.copytree(IFUPDOWN, ASIDE / "ifupdown", symlinks=True)
        (ASIDE / "new-bridges").write_text("")
        # The controller, too, where it answers.
        asked = [*peers, *os.environ.get("SSH_CONNECTION", "").split()[:1]]
        (ASIDE / "sight.json").write_text(network_proof.look(asked, bridges).dumps())
        (ASIDE / SCRIPT).write_text(WAY_BACK)
    unit, wanted = map(Path, BOOT_UNITS)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text(BOOT_UNIT)
    wanted.unlink(missing_ok=True)
    wanted.symlink_to(unit)
    os.sync()
    timer = [f"--unit={UNIT}", f"--on-active={after}", "--timer-property=AccuracySec=1s", "--collect"]
    run(["systemd-run", *timer, "sh", str(ASIDE / SCRIPT)])


def stop() -> None:
    """Stop the timer; it may not be running."""
    run(["systemctl", "stop", f"{UNIT}.timer"], ok=None)


def disarm() -> None:
    """Give the way back up. Raises WayBackTaken."""
    stop()
    try:
        (ASIDE / SCRIPT).unlink()
    except FileNotFoundError:
        raise WayBackTaken(
            "The node was not reached in time under its new network configuration and has put the old one back"
            f"{changed()}",
            remedy="Correct it in network_bridges, then run this again.",
        ) from None
    finally:
        for unit in BOOT_UNITS:
            Path(unit).unlink(missing_ok=True)


def changed() -> str:
    """What the change was that has been taken back, as the end of a sentence."""
    texts = ([file.read_text() for file in (ASIDE / name).glob("05-drover-*")] for name in ("networkd", "refused"))
    differences = networkd.differences(*texts)
    return f". What was changed: {'; '.join(differences)}" if differences else ""


def prove(after: int) -> None:
    """Wait until the node reaches and carries what it did before. Raises NotProven when it has gone back instead."""
    before = network_proof.Sight.loads((ASIDE / "sight.json").read_text())
    ports = {port for bridges in (declared_before(), declared(NETWORKD)) for its in bridges.values() for port in its}
    try:
        wait_for(
            lambda: network_proof.unreached(before),
            lambda lost: not lost,
            what="the way to the others",
            timeout=patience(after),
            interval=0.1,
        )
        wait_for(
            lambda: network_proof.detached(before, ports),
            lambda lost: not lost,
            what="carrying",
            timeout=CARRIER_PATIENCE,
        )
    except WaitTimeout as timeout:
        run(["sh", str(ASIDE / SCRIPT)])
        stop()
        raise NotProven(
            f"The node has put its old network configuration back, for under the new one {'; '.join(timeout.last)}"
            f"{changed()}",
            remedy="Correct it in network_bridges, then run this again. The nodes after this one were not touched.",
        ) from None


def declared(folder: Path) -> networkd.Bridges:
    """Bridges that the files of Drover declare, with their ports."""
    return networkd.read(file.read_text() for file in sorted(folder.glob("05-drover-*")))


def declared_before() -> networkd.Bridges:
    """Those of before the change that is under way, also of one that was interrupted."""
    return declared(ASIDE / "networkd" if (ASIDE / SCRIPT).exists() else NETWORKD)


def require_unused(bridges: networkd.Bridges) -> None:
    """Raises InUse when there is more on one of these bridges than its ports."""
    for bridge, ports in sorted(bridges.items()):
        attached = {link.name for link in LINKS.glob(f"{bridge}/brif/*")} - ports
        if attached:
            raise InUse(
                f"{bridge} is no longer declared in network_bridges, but {', '.join(sorted(attached))} is attached "
                "to it",
                remedy="Move the guests that use it to another bridge first, or declare it again.",
            )


def patience(after: int) -> float:
    """Seconds that the node may be without the others."""
    with contextlib.suppress(CommandError):  # there is no cluster yet, or it does not run here
        token = run(["corosync-cmapctl", "-g", "runtime.config.totem.token"]).stdout
        return TOKENS * int(token.rpartition("=")[2]) / 1000
    return after / 2


def apply(takeover: list[str], foreign: list[str]) -> None:
    """Let systemd-networkd carry its files out."""
    if takeover:
        run(["ifdown", "--force", *takeover], ok=None)
        for file in [IFUPDOWN / "interfaces", *sorted((IFUPDOWN / "interfaces.d").glob("*"))]:
            if file.is_file():
                take_over(file, takeover)
    before = {bridge: ports for bridge, ports in declared_before().items() if bridge not in foreign}
    now = declared(NETWORKD)
    gone = {bridge: ports for bridge, ports in before.items() if bridge not in now}
    require_unused(gone)
    # Not those of an earlier run that was interrupted: they are new, too.
    known = (ASIDE / "new-bridges").read_text().split()
    (ASIDE / "new-bridges").write_text("\n".join(name for name in now if name in known or not (LINKS / name).exists()))
    # Only now: it would give an interface to its bridge that ifdown then takes down.
    run(["systemctl", "enable", "--quiet", "systemd-networkd.service"])
    run(["systemctl", "start", "systemd-networkd.service"])
    run(["networkctl", "reload"])
    # What is not declared any more systemd-networkd leaves as it is.
    for bridge in sorted(gone):
        if (LINKS / bridge / "bridge").exists():
            run(["ip", "link", "delete", bridge])
    kept = {port for ports in now.values() for port in ports}
    for bridge in sorted(before.keys() & now.keys()):
        for port in sorted(before[bridge] - kept):
            if (LINKS / bridge / "brif" / port).exists():
                run(["ip", "link", "set", port, "nomaster"])


def take_over(file: Path, interfaces: list[str]) -> None:
    """Remove these interfaces from a file of ifupdown's; the first version is kept where ifupdown does not read."""
    before = file.read_text()
    after = without(before, interfaces)
    if after == before:
        return
    kept = IFUPDOWN / f"{file.relative_to(IFUPDOWN).parts[0]}.before-drover"
    if file.parent != IFUPDOWN:
        kept.mkdir(exist_ok=True)
        kept /= file.name
    if not kept.exists():
        kept.write_text(before)
    file.write_text(after)


def without(text: str, interfaces: list[str]) -> str:
    """What interfaces(5) describes, without the stanzas of these interfaces; all else stays as it is."""
    left: list[str] = []
    skipping = False
    for line in text.splitlines():
        words = line.split()
        word = words[0] if words else ""
        if word == "auto" or word.startswith(("allow-", "no-auto-down", "no-scripts")):
            skipping = False
            names = [name for name in words[1:] if name not in interfaces]
            if len(names) < len(words) - 1:
                left += [" ".join([word, *names])] if names else []
                continue
        elif word in ("iface", "mapping", "source", "source-directory", "template", "rename"):
            skipping = word == "iface" and len(words) > 1 and words[1] in interfaces
        if not skipping or not words or word.startswith("#"):
            left.append(line)
    return "".join(f"{line}\n" for line in left)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["armed", "applied", "disarmed"], "required": True},
            "after": {"type": "int", "default": 60},
            "bridges": {"type": "list", "elements": "str", "default": []},
            "peers": {"type": "list", "elements": "str", "default": []},
            "foreign": {"type": "list", "elements": "str", "default": []},
            "takeover": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    remedy = "The node puts its old network configuration back by itself if armed."
    with fail_on_error(module, OSError, remedy=remedy):
        if params["state"] == "armed":
            before = declared_before()
            require_unused({bridge: before[bridge] for bridge in before if bridge not in params["bridges"]})
        if module.check_mode:
            pass
        elif params["state"] == "armed":
            arm(params["after"], params["bridges"], params["peers"])
        elif params["state"] == "applied":
            apply(params["takeover"], params["foreign"])
            prove(params["after"])
        else:
            disarm()
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
