# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks in a container, through a node that is this machine: what nodes have as `attach` is a shell here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import attach
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError, Refusal
from ansible_collections.cspp.drover.tests.unit import nodes


@pytest.mark.parametrize(
    ("user", "end"),
    [("root", ["--", "/bin/sh", "-c", "cd; ls"]), ("debian", ["--", "su", "-s", "/bin/sh", "debian", "-c", "cd; ls"])],
)
def test_a_command_is_run_as_a_user_at_home(user: str, end: list[str]) -> None:
    argv = attach.inside("web", user, "ls")
    assert argv[:6] == ["lxc-attach", "-P", "/run/drover/lxc", "-n", "web", "--clear-env"]
    assert argv[-len(end) :] == end


@pytest.mark.parametrize("user", ["", "-c", "a b", "$(id)", "root\n"])
def test_what_is_no_user_is_refused(user: str) -> None:
    with pytest.raises(PeerError, match="no name of a user"):
        attach.inside("web", user, "ls")


def test_a_node_that_is_down_is_passed_over_and_files_come_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "attach"
    program.write_text('#!/bin/sh\n[ "$1 $2" = "web root" ] || exit 9\nexec /bin/sh -c "$3"\n')
    program.chmod(0o755)
    (tmp_path / "big").write_bytes(bytes(range(256)) * 4000)
    dead = {"name": "n1", "host": "127.0.0.1", "port": 1}
    here = {"name": "n2", "host": "localhost", "connection": "local"}
    host = {"ansible_connection": "cspp.drover.container", "drover_nodes": [dead, here], "drover_name": "web"}
    (tmp_path / "hosts.json").write_text(
        json.dumps({"all": {"hosts": {"guest": host, "lost": {**host, "drover_nodes": [dead]}}}})
    )
    (tmp_path / "play.yml").write_text(
        "- hosts: guest\n  gather_facts: false\n  tasks:\n"
        f"    - ansible.builtin.copy: {{src: {tmp_path}/big, dest: {tmp_path}/copy, mode: '0600'}}\n"
        f"    - ansible.builtin.fetch: {{src: {tmp_path}/copy, dest: {tmp_path}/back, flat: true}}\n"
        "    - {ansible.builtin.shell: 'cat; exit 3', args: {stdin: hi}, register: done, failed_when: done.rc != 3}\n"
        "- hosts: lost\n  gather_facts: false\n  tasks: [{ansible.builtin.ping: }]\n"
    )
    plugin = nodes.ROOT / "plugins" / "connection" / "container.py"
    text = plugin.read_text().replace("/usr/lib/drover/current/bin/attach", str(program))
    folder = tmp_path / "connection_plugins"
    folder.mkdir()
    # The same, but for the place of the program that nodes have.
    (folder / "elsewhere.py").write_text(text.replace("name: container", "name: elsewhere"))
    (tmp_path / "hosts.json").write_text(
        (tmp_path / "hosts.json").read_text().replace("cspp.drover.container", "elsewhere")
    )
    done = nodes.ansible(
        "ansible-playbook", "-i", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml"), folder=tmp_path
    )
    assert "guest                      : ok=3" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()
    assert done.returncode == 4
    assert "No node can be reached, and the way to container web is through one. n1: " in " ".join(done.stdout.split())


class Host:
    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def state(self, _name: str) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def test_a_container_that_moves_meanwhile_is_followed_and_the_command_given_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes_told = ["n2", None, "n3"]
    given: list[str] = []

    def through(node: str, _request: dict[str, str]) -> int:
        given.append(node)
        if node == "n2":
            raise Refusal("web does not run here")
        return 4

    monkeypatch.setattr(attach, "LxcHost", lambda: Host("STOPPED"))
    monkeypatch.setattr(attach, "elsewhere", lambda *_args, **_options: nodes_told.pop(0))
    monkeypatch.setattr(attach, "_through", through)
    monkeypatch.setattr(attach, "_AGAIN", 0.0)
    monkeypatch.setattr("sys.argv", ["attach", "web", "root", "ls"])
    assert attach.main() == 4
    assert given == ["n2", "n3"]


def test_a_container_that_is_nowhere_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(attach, "LxcHost", lambda: Host("STOPPED"))
    monkeypatch.setattr(attach, "elsewhere", lambda *_args, **_options: None)
    monkeypatch.setattr(attach, "_PATIENCE", 0.0)
    monkeypatch.setattr("sys.argv", ["attach", "web", "root", "ls"])
    assert attach.main() == attach.LOST
    assert "no node has a container web that runs. playbooks/status.yml says" in capsys.readouterr().err
