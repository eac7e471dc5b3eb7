# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.fence_check: what each answer of a fence agent means. The agents here are shell scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.modules import cluster_config, fence_check

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Makes an agent that runs a script, and returns a device that uses it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(script: str = "", node: str = "node1", **more: Any) -> dict[str, Any]:
        agent = tmp_path / f"fence_{node}"
        agent.write_text(f"#!/bin/sh\ncat > {tmp_path}/asked-{node}\n{script}\n")
        agent.chmod(0o755)
        return {"node": node, "agent": agent.name, "address": "192.0.2.101", "password": "pass word", **more}

    return make


@pytest.mark.parametrize(
    ("script", "works", "message"),
    [
        ("exit 0", True, "answers"),
        # The node is off: that is an answer.
        ("exit 2", True, "answers"),
        ("echo trying; echo wrong password >&2; exit 1", False, "wrong password (fence_node1 at 192.0.2.101 port 623)"),
        ("echo '2026-01-31 12:00:00,123 ERROR: Failed: no' >&2; exit 1", False, "Failed: no (fence_node1 at"),
        ("exit 1", False, "fence_node1 exited with 1 (fence_node1 at 192.0.2.101 port 623)"),
        ("exec sleep 60", False, "did not end within 1 s"),
    ],
)
def test_an_answer(call: Call, device: Callable[..., dict[str, Any]], script: str, works: bool, message: str) -> None:
    result = call(fence_check, fencing=[device(script)], timeout=1)
    assert result["changed"] is False
    [found] = result["results"]
    assert (found["node"], found["works"]) == ("node1", works)
    assert message in found["message"]
    assert "2026" not in found["message"]


def test_the_agent_reads_its_parameters_where_nobody_else_sees_them(
    call: Call, device: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    call(fence_check, fencing=[device(username="fence", port=6230, options={"power_wait": "2"})])
    asked = (tmp_path / "asked-node1").read_text().splitlines()
    wanted = {"action=status", "ip=192.0.2.101", "ipport=6230", "username=fence", "password=pass word", "power_wait=2"}
    assert wanted <= set(asked)


def test_a_password_that_is_to_be_kept_is_tried_first(
    call: Call, device: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    tool, passwords = tmp_path / "ipmitool", {"192.0.2.101 623": "tiger", "192.0.2.102 623": "lion"}
    asked = device(f'echo "$IPMI_PASSWORD" >{tmp_path}/environment', options={"ipmitool_path": str(tool)}, password="")
    # A dry run before this Drover has brought its own: the agent is told.
    result = call(fence_check, fencing=[asked], passwords=passwords)
    told = set((tmp_path / "asked-node1").read_text().splitlines())
    assert "password=tiger" in told
    assert not any(line.startswith("ipmitool_path") for line in told)
    tool.touch()
    result = call(fence_check, fencing=[asked], passwords=passwords)
    told = set((tmp_path / "asked-node1").read_text().splitlines())
    assert not any(line.startswith("password") for line in told)
    assert f"ipmitool_path={tool}" in told
    assert (tmp_path / "environment").read_text() == "tiger\n"
    assert "tiger" not in str(result)


def test_devices_are_asked_at_once(call: Call, device: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    # Each waits until all three have been asked.
    everybody = f"for i in 1 2 3; do while [ ! -e {tmp_path}/asked-node$i ]; do sleep 0.05; done; done"
    devices = [device(everybody, node=f"node{number}") for number in (1, 2, 3)]
    results = call(fence_check, fencing=devices, timeout=10)["results"]
    assert [(found["node"], found["works"]) for found in results] == [(d["node"], True) for d in devices]


def test_an_agent_that_is_not_there_proves_nothing(call: Call) -> None:
    devices = [{"node": "node1", "agent": "fence_drover_none", "address": "192.0.2.101"}]
    [predicted] = call(fence_check, check=True, fencing=devices)["results"]
    assert predicted["works"] is None
    [found] = call(fence_check, fencing=devices)["results"]
    assert found["works"] is False
    assert "fence_drover_none is not installed here" in found["message"]


def test_no_devices_no_answers(call: Call) -> None:
    assert call(fence_check, fencing=[])["results"] == []


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        *(
            (name, True)
            for name in ("hexadecimal_kg", "kg", "community", "snmp_priv_passwd", "secret_key", "api_token")
        ),
        *((name, False) for name in ("power_wait", "identity_file", "passwd_script", "privlvl", "pcmk_host_map")),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_secrets_among_the_parameters_are_not_shown(
    call: Call,
    device: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    hidden: bool,
    check: bool,
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    result = call(fence_check, check=check, fencing=[device("exit 1", options={name: "tell-nobody"})])
    assert ("tell-nobody" in json.dumps(result)) is not hidden
    assert "tell-nobody" not in "".join(logged)
    assert "pass word" not in json.dumps(result)


def test_both_modules_take_the_same_devices() -> None:
    for module in (cluster_config, fence_check):
        source = Path(str(module.__file__)).read_text()
        assert "fence_arguments.FENCING" in source
        assert "cspp.drover.fencing\n" in source
