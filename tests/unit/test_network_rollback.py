# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.network_rollback: the way back is armed before anything is touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.host import network_proof, networkd
from ansible_collections.cspp.drover.plugins.modules import network_rollback

Call = Callable[..., dict[str, Any]]
Programs = Callable[..., list[list[str]]]
ANSWERS = {
    "systemctl stop": 5,
    "systemctl enable": "",
    "systemctl start": "",
    "corosync-cmapctl": 1,
    "systemd-run": "",
    "networkctl reload": "",
    "ifdown": 1,
    "sh": "",
}
STARTED = [
    ["systemctl", "enable", "--quiet", "systemd-networkd.service"],
    ["systemctl", "start", "systemd-networkd.service"],
    ["networkctl", "reload"],
]
PROVEN = ["corosync-cmapctl", "-g", "runtime.config.totem.token"]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's folders below tmp_path: networkd's and ifupdown's."""
    for name, place in {"ASIDE": "aside", "NETWORKD": "networkd", "IFUPDOWN": "ifupdown", "LINKS": "links"}.items():
        monkeypatch.setattr(network_rollback, name, tmp_path / place)
    units = [tmp_path / "units" / it for it in ("way-back.service", "multi-user.target.wants/way-back.service")]
    monkeypatch.setattr(network_rollback, "BOOT_UNITS", tuple(map(str, units)))
    monkeypatch.setattr(network_proof, "LINKS", tmp_path / "links")
    monkeypatch.setattr(network_rollback, "CARRIER_PATIENCE", 0.0)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    for place in ("networkd", "ifupdown"):
        (tmp_path / place).mkdir()
    (tmp_path / "networkd" / "10-eth0.network").write_text("old\n")
    (tmp_path / "ifupdown" / "interfaces").write_text("iface eno1 inet dhcp\n")
    return tmp_path


def declare(node: Path, bridges: dict[str, list[str]]) -> None:
    """Write what the role writes for these bridges and their ports, and remove what it no longer declares."""
    wanted = {Path(entry["path"]).name: entry["content"] for entry in networkd.files(declared(bridges))}
    for file in (node / "networkd").glob("05-drover-*"):
        file.unlink()
    for name, content in wanted.items():
        (node / "networkd" / name).write_text(content)


def declared(bridges: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    return {name: {"ports": ports, "addresses": []} for name, ports in bridges.items()}


def attach(node: Path, bridges: dict[str, list[str]]) -> None:
    """The node's links are these bridges, with this attached to each."""
    for bridge, attached in bridges.items():
        (node / "links" / bridge / "bridge").mkdir(parents=True)
        for link in attached:
            (node / "links" / bridge / "brif" / link).mkdir(parents=True)


def tree(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("state", ["armed", "applied", "disarmed"])
def test_check_mode_touches_nothing(call: Call, programs: Programs, node: Path, state: str) -> None:
    before = tree(node)
    calls = programs(network_rollback, {})
    assert call(network_rollback, check=True, state=state)["changed"]
    assert (calls, tree(node)) == ([], before)


def test_the_whole_way(call: Call, programs: Programs, node: Path) -> None:
    calls = programs(network_rollback, ANSWERS)
    call(network_rollback, state="armed", after=45)
    aside = tree(node / "aside")
    assert aside["networkd/10-eth0.network"] == "old\n"
    assert aside["ifupdown/interfaces"] == "iface eno1 inet dhcp\n"
    assert calls[0] == ["systemctl", "stop", "drover-network-rollback.timer"]
    assert calls[1][0] == "systemd-run"
    assert {"--unit=drover-network-rollback", "--on-active=45", "--collect"} <= set(calls[1])
    assert len(calls) == 2
    unit = node / "units" / "way-back.service"
    assert (node / "units" / "multi-user.target.wants" / unit.name).readlink() == unit

    declare(node, {"br0": ["eno1"], "there": []})
    attach(node, {"there": []})
    call(network_rollback, state="applied")
    assert calls[2:] == [*STARTED, PROVEN]
    assert (node / "aside" / "new-bridges").read_text() == "br0"
    assert tree(node / "ifupdown") == {"interfaces": "iface eno1 inet dhcp\n"}

    call(network_rollback, state="disarmed")
    assert calls[6:] == [["systemctl", "stop", "drover-network-rollback.timer"]]
    assert list((node / "units").rglob("*.service")) == []


def test_interfaces_are_taken_over_and_the_old_file_is_kept(call: Call, programs: Programs, node: Path) -> None:
    calls = programs(network_rollback, ANSWERS)
    call(network_rollback, state="armed")
    call(network_rollback, state="applied", takeover=["eno1"])
    assert calls[2:] == [["ifdown", "--force", "eno1"], *STARTED, PROVEN]
    now = tree(node / "ifupdown")
    assert now["interfaces.before-drover"] == "iface eno1 inet dhcp\n"
    assert "eno1" not in now["interfaces"]


def test_other_interfaces_stay_with_ifupdown_and_the_first_backup_is_kept(
    call: Call, programs: Programs, node: Path
) -> None:
    programs(network_rollback, ANSWERS)
    first = "source /etc/network/interfaces.d/*\n\nauto eno1 eno2\niface eno1 inet dhcp\n\nallow-hotplug eno3\n"
    first += "# storage\niface eno2 inet static\n    address 192.0.2.1/24\n"
    file, single = node / "ifupdown" / "interfaces", node / "ifupdown" / "interfaces.d" / "eno3"
    single.parent.mkdir()
    single.write_text("iface eno3 inet manual\n    mtu 9000\n")
    file.write_text(first)
    for name in ("eno1", "eno3"):
        call(network_rollback, state="armed")
        call(network_rollback, state="applied", takeover=[name])
        call(network_rollback, state="disarmed")
    left = "source /etc/network/interfaces.d/*\n\nauto eno2\n\n# storage\n"
    assert file.read_text() == left + "iface eno2 inet static\n    address 192.0.2.1/24\n"
    assert single.read_text() == ""
    now = tree(node / "ifupdown")
    assert now["interfaces.before-drover"] == first
    assert now["interfaces.d.before-drover/eno3"] == "iface eno3 inet manual\n    mtu 9000\n"


def test_arming_again_starts_from_what_is_there_now(call: Call, programs: Programs, node: Path) -> None:
    programs(network_rollback, ANSWERS)
    call(network_rollback, state="armed")
    (node / "networkd" / "10-eth0.network").write_text("newer\n")
    call(network_rollback, state="disarmed")
    call(network_rollback, state="armed")
    assert tree(node / "aside" / "networkd") == {"10-eth0.network": "newer\n"}


def test_after_an_interruption_the_way_back_is_still_the_first(call: Call, programs: Programs, node: Path) -> None:
    programs(network_rollback, ANSWERS)
    call(network_rollback, state="armed")
    declare(node, {"br0": []})
    call(network_rollback, state="applied")
    attach(node, {"br0": []})
    call(network_rollback, state="armed", bridges=["br0"])
    assert tree(node / "aside" / "networkd") == {"10-eth0.network": "old\n"}
    assert (node / "aside" / "new-bridges").read_text() == "br0"


def test_a_way_back_that_was_taken_is_no_success(call: Call, programs: Programs, node: Path) -> None:
    programs(network_rollback, ANSWERS)
    call(network_rollback, state="armed")
    (node / "aside" / "way-back").rename(node / "aside" / "taken")
    (node / "aside" / "refused").mkdir()
    (node / "aside" / "refused" / "05-drover-br0.network").write_text(
        networkd.files({"br0": {"mtu": 9000}})[1]["content"]
    )
    result = call(network_rollback, state="disarmed")
    assert result["failed"]
    assert (
        "has put the old one back. What was changed: br0.accept_ra (nothing -> no); br0.mtu (nothing -> 9000)"
        in (result["msg"])
    )
    assert list((node / "units").rglob("*.service")) == []


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ("192.0.2.12", "192.0.2.12 cannot be reached any more"),
        ("carrier", "br0 has no carrier any more"),
        ("vnet7", "vnet7 is not attached to br0 any more"),
    ],
)
def test_a_node_that_lost_something_goes_back_at_once(
    call: Call, programs: Programs, node: Path, monkeypatch: pytest.MonkeyPatch, lost: str, expected: str
) -> None:
    calls = programs(network_rollback, {**ANSWERS, "corosync-cmapctl": "runtime.config.totem.token (u32) = 1\n"})
    answering = {"192.0.2.12", "192.0.2.13"}
    monkeypatch.setattr(network_proof, "reachable", lambda asked, _patience: answering & set(asked))
    declare(node, {"br0": ["eno1"]})
    attach(node, {"br0": ["eno1", "vnet7"]})
    (node / "links" / "vnet7").mkdir()
    (node / "links" / "br0" / "carrier").write_text("1\n")
    call(network_rollback, state="armed", bridges=["br0"], peers=["192.0.2.12", "192.0.2.13", "192.0.2.14"])
    # What is lost before anything was changed is not missed, and ports may come and go.
    (node / "links" / "br0" / "brif" / "eno1").rmdir()
    if lost == "carrier":
        (node / "links" / "br0" / "carrier").write_text("0\n")
    elif lost == "vnet7":
        (node / "links" / "br0" / "brif" / "vnet7").rmdir()
    else:
        answering.discard(lost)
    result = call(network_rollback, state="applied")
    assert result["failed"]
    assert f"put its old network configuration back, for under the new one {expected}" in result["msg"]
    assert calls[-2:] == [
        ["sh", str(node / "aside" / "way-back")],
        ["systemctl", "stop", "drover-network-rollback.timer"],
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets are root's")
def test_who_answers_an_echo_is_reachable() -> None:
    asked = ["127.0.0.1", "::1", "127.0.0.2", "240.0.0.1"]
    assert network_proof.reachable(asked, 0.3) == {"127.0.0.1", "::1", "127.0.0.2"}


def test_an_echo_request_sums_up_to_nothing() -> None:
    message = network_proof._echo(8)
    words = [int.from_bytes(message[at : at + 2], "big") for at in range(0, len(message), 2)]
    assert (message[0], sum(words) % 0xFFFF) == (8, 0)


@pytest.mark.parametrize(
    ("before", "after", "foreign", "links", "programs_run"),
    [
        # A bridge goes, and its ports with it.
        ({"br0": ["eno1"], "br1": ["eno2"]}, {"br0": ["eno1"]}, [], {"br1": ["eno2"]}, ["ip link delete br1"]),
        # A port changes its bridge: systemd-networkd does that by itself.
        ({"br0": ["eno1", "eno2"], "br1": []}, {"br0": ["eno1"], "br1": ["eno2"]}, [], {"br0": ["eno1", "eno2"]}, []),
        # A port goes.
        ({"br0": ["eno1", "eno2"]}, {"br0": ["eno1"]}, [], {"br0": ["eno1", "eno2"]}, ["ip link set eno2 nomaster"]),
        ({"br0": ["eno1", "eno2"]}, {"br0": ["eno1"]}, [], {"br0": ["eno1"]}, []),
        # Nothing of it is there.
        ({"br1": ["eno2"]}, {}, [], {}, []),
        # Its owner keeps it by other means from now on.
        ({"br0": ["eno1"]}, {}, ["br0"], {"br0": ["eno1", "vnet0"]}, []),
    ],
)
def test_what_is_no_longer_declared_goes(
    call: Call,
    programs: Programs,
    node: Path,
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    foreign: list[str],
    links: dict[str, list[str]],
    programs_run: list[str],
) -> None:
    declare(node, before)
    attach(node, links)
    calls = programs(network_rollback, {**ANSWERS, "ip": ""})
    call(network_rollback, state="armed", bridges=[*after, *foreign])
    declare(node, after)
    # The files are those of now; what they were is with the way back, also for a run after one that was interrupted.
    call(network_rollback, state="armed", bridges=[*after, *foreign])
    assert not call(network_rollback, state="applied", foreign=foreign).get("failed")
    assert [" ".join(argv) for argv in calls if argv[0] == "ip"] == programs_run
    assert calls.index(STARTED[-1]) < min((n for n, argv in enumerate(calls) if argv[0] == "ip"), default=99)


@pytest.mark.parametrize("check", [True, False])
def test_a_bridge_with_guests_does_not_go(call: Call, programs: Programs, node: Path, check: bool) -> None:
    declare(node, {"br0": ["eno1"], "br1": ["eno2"]})
    attach(node, {"br1": ["eno2", "vnet7"]})
    calls = programs(network_rollback, ANSWERS)
    result = call(network_rollback, check=check, state="armed", bridges=["br0"])
    assert result["failed"]
    assert "br1 is no longer declared in network_bridges, but vnet7 is attached to it" in result["msg"]
    assert calls == []
    assert not call(network_rollback, check=check, state="armed", bridges=["br0", "br1"]).get("failed")


def test_a_guest_that_comes_in_between_keeps_its_bridge(call: Call, programs: Programs, node: Path) -> None:
    declare(node, {"br1": []})
    calls = programs(network_rollback, {**ANSWERS, "ip": ""})
    call(network_rollback, state="armed")
    attach(node, {"br1": ["vnet7"]})
    declare(node, {})
    assert "vnet7 is attached" in call(network_rollback, state="applied")["msg"]
    assert [argv for argv in calls if argv[0] == "ip"] == []


def test_a_failure_says_that_there_is_a_way_back(call: Call, programs: Programs, node: Path) -> None:
    programs(network_rollback, {**ANSWERS, "networkctl reload": 1})
    call(network_rollback, state="armed")
    result = call(network_rollback, state="applied")
    assert result["failed"]
    assert "puts its old network configuration back" in result["msg"]


def test_the_way_back_is_a_shell_script() -> None:
    subprocess.run(["sh", "-n"], input=network_rollback.WAY_BACK, text=True, check=True, timeout=10)


@pytest.mark.parametrize("moment", ["now", "boot"])
def test_the_way_back_restores_everything(tmp_path: Path, moment: str) -> None:
    """Run it with paths below tmp_path and networkctl, ip and systemctl that only note that they were called."""
    folders = {"NETWORKD": tmp_path / "networkd", "IFUPDOWN": tmp_path / "ifupdown", "ASIDE": tmp_path / "aside"}
    script = network_rollback.WAY_BACK
    for name, folder in folders.items():
        script = script.replace(str(getattr(network_rollback, name)), str(folder))
    for name, files in {"networkd": {"a": "old"}, "ifupdown": {"interfaces": "old"}}.items():
        for folder, content in ((tmp_path / name, "new"), (tmp_path / "aside" / name, "old")):
            folder.mkdir(parents=True)
            for file in files:
                (folder / file).write_text(content)
    (tmp_path / "networkd" / "05-drover-br0.netdev").write_text("new")
    (tmp_path / "aside" / "new-bridges").write_text("br0")
    # One that a boot finds half-way is begun again.
    (tmp_path / "aside" / ("way-back" if moment == "now" else "taking")).write_text(script)
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("networkctl", "ip", "systemctl"):
        listing = 'case "$*" in *list*) printf "1 lo loopback\\n2 eth0 ether\\n";; esac\n'
        (programs / program).write_text(f'#!/bin/sh\n{listing}echo {program} "$@" >> {tmp_path}/calls\n')
        (programs / program).chmod(0o755)
    argv = ["sh", "-c", script, "way-back", moment]
    subprocess.run(argv, env={"PATH": f"{programs}:/usr/bin:/bin"}, check=True, timeout=10)
    assert tree(tmp_path / "networkd") == {"a": "old"}
    assert tree(tmp_path / "ifupdown") == {"interfaces": "old"}
    assert tree(tmp_path / "aside" / "refused") == {"05-drover-br0.netdev": "new", "a": "new"}
    assert {entry.name for entry in (tmp_path / "aside").iterdir()} & {"way-back", "taking", "taken"} == {"taken"}
    called = (tmp_path / "calls").read_text().splitlines() if moment == "now" else []
    assert (
        called
        == [
            "ip link delete br0",
            "networkctl reload",
            "networkctl --no-legend --no-pager list",
            "networkctl reconfigure eth0",
            "systemctl restart networking.service",
        ][: 5 if moment == "now" else 0]
    )
    assert (tmp_path / "calls").exists() == (moment == "now")
