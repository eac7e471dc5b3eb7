# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks in a container, wherever in the cluster it runs now."""

from __future__ import annotations

DOCUMENTATION = r"""
name: container
short_description: Tasks in a container, wherever in the cluster it runs now
version_added: 0.5.0
description:
  - Goes by ssh to the first node that can be reached, and there into the container, on whichever node it runs. So
    an inventory from before a move does, and the container needs neither an address nor an SSH server.
  - While the container is away in a move, a command waits for it. One that a move has cut short has failed; the
    transfer of a file is begun anew.
options:
  container:
    description: The container's name.
    type: str
    vars:
      - name: inventory_hostname
      - name: drover_name
  nodes:
    description:
      - How the nodes are reached, each with C(host), and C(port), C(user), C(private_key_file), C(common_args) and
        C(extra_args) if they need it. P(cspp.drover.guests#inventory) sets it.
    type: list
    elements: dict
    required: true
    vars:
      - name: drover_nodes
  remote_user:
    description: Who to be in the container.
    type: str
    default: root
    vars:
      - name: ansible_user
author: The Drover maintainers (@cspp)
"""

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader

#: On every node.
PROGRAM = "/usr/lib/drover/current/bin/attach"
#: Seconds for a connection to a node; how often a file is sent, and seconds between two times.
_TIMEOUT, _TIMES, _AGAIN = 6, 3, 3.0
#: What ssh calls the words of a node.
_WAYS = {
    "host": "ansible_host",
    "port": "ansible_port",
    "user": "ansible_user",
    "private_key_file": "ansible_ssh_private_key_file",
    "common_args": "ansible_ssh_common_args",
    "extra_args": "ansible_ssh_extra_args",
}

T = TypeVar("T")


class Connection(ConnectionBase):  # type: ignore[misc]
    """Holds an ssh connection to the node that was reached, which does all the work."""

    transport = "cspp.drover.container"
    has_pipelining = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._node: Any = None
        self._before: list[str] = []

    def _connect(self) -> Connection:
        if self._node is None:
            self._node = self._reached()
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        # What asks for a password is seen to by ssh's connection, which reads along.
        self._node.set_become_plugin(self.become)
        words = [*self._before, PROGRAM, self.get_option("container"), self.get_option("remote_user"), cmd]
        found: tuple[int, bytes, bytes] = self._node.exec_command(shlex.join(words), in_data=in_data, sudoable=sudoable)
        return found

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        if not Path(in_path).is_file():
            raise AnsibleFileNotFound(f"there is no file {in_path}")
        data = Path(in_path).read_bytes()
        target = shlex.quote(out_path)
        self._transfer(out_path, lambda: self.exec_command(f"cat >{target}" if data else f": >{target}", data, False))

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        command = f"cat {shlex.quote(in_path)}"
        Path(out_path).write_bytes(self._transfer(in_path, lambda: self.exec_command(command, None, False)))

    def close(self) -> None:
        if self._node is not None:
            self._node.close()
        self._node, self._connected = None, False

    def reset(self) -> None:
        self.close()

    def _transfer(self, path: str, do: Callable[[], tuple[int, bytes, bytes]]) -> bytes:
        """Move a file, anew if that was cut short: the second time does what the first should have."""
        for left in reversed(range(_TIMES)):
            try:
                status, output, errors = do()
            except AnsibleConnectionFailure:
                self.close()
                if not left:
                    raise
                time.sleep(_AGAIN)
                continue
            if status == 0:
                return output
            raise AnsibleError(f"{path} cannot be read or written in the container: {errors.decode(errors='replace')}")
        raise AssertionError("the last time has raised")

    def _reached(self) -> Any:
        """The connection to the first node that lets us in. Commands go to this one: none is ever given twice."""
        causes = []
        for way in self.get_option("nodes"):
            try:
                node = self._to(way)
                status, _output, errors = node.exec_command("true", sudoable=False)
                if status == 0:
                    self._before = ["sudo", "-n"] if way.get("become") else []
                    return node
                causes.append(f"{way.get('name', way['host'])}: {errors.decode(errors='replace').strip()}")
            except AnsibleError as error:
                causes.append(f"{way.get('name', way['host'])}: {' '.join(str(error).split())}")
        raise AnsibleConnectionFailure(
            f"No node can be reached, and the way to container {self.get_option('container')} is through one. "
            f"{'; '.join(causes)}"
        )

    @staticmethod
    def _to(way: dict[str, Any]) -> Any:
        context = PlayContext()
        context.remote_addr = way["host"]
        node = connection_loader.get(way.get("connection", "ssh"), context)
        known = {name: way[word] for word, name in _WAYS.items() if word in way}
        node.set_options(task_keys={"timeout": _TIMEOUT, "remote_addr": way["host"]}, var_options=known)
        if node.has_option("use_tty"):
            node.set_option("use_tty", False)
        return node
