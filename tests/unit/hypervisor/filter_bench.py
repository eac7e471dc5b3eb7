# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bridge in a network namespace of its own: what is sent into one port, and where it comes out.

Run as a program in a new namespace, it takes lines of JSON and answers each with one. A pair of interfaces stands for
each machine: the one is a port of the bridge, as a guest's is, the other is the machine's own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

#: Seconds that a frame may take through the bridge, and after it was heard first until all have heard it.
_ARRIVES_WITHIN, _ALL_WITHIN = 0.1, 0.02
_ETH_P_ALL = 0x0003


class Bench:
    """The bridge br0 of a node with the address 10.0.0.11, and machines by name with their ports."""

    def __init__(self, machines: Mapping[str, str]) -> None:
        # Not where this file is the program in the namespace.
        from ansible_collections.cspp.drover.tests.unit.needed import needed

        needed("nft")
        self._process = subprocess.Popen(
            ["unshare", "--net", sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
        )
        self._do("setup", machines=dict(machines))

    def nft(self, *arguments: str, text: str = "") -> tuple[int, str, str]:
        code, out, err = self._do("nft", arguments=arguments, text=text)
        return code, out, err

    def generation(self) -> int:
        return int(self._do("generation"))

    def send(self, machine: str, frame: bytes) -> list[str]:
        """Who hears a frame that a machine sends: other machines, and ``node`` for the node itself."""
        heard: list[str] = self._do("send", machine=machine, frame=frame.hex())
        return heard

    def _do(self, what: str, **how: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **how}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["is"]

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class _Namespace:
    """What the program does, in its namespace."""

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    def setup(self, machines: Mapping[str, str]) -> bool:
        for key in ("all", "default"):
            with open(f"/proc/sys/net/ipv6/conf/{key}/disable_ipv6", "w", encoding="ascii") as file:
                file.write("1")
        _ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        _ip("link", "set", "br0", "address", "02:00:00:00:00:11", "up")
        _ip("address", "add", "10.0.0.11/24", "dev", "br0")
        for machine, port in machines.items():
            _ip("link", "add", port, "type", "veth", "peer", "name", machine)
            _ip("link", "set", port, "master", "br0", "up")
            _ip("link", "set", machine, "arp", "off", "up")
        for name in (*machines, "br0"):
            hearing = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            hearing.bind((name, _ETH_P_ALL))
            hearing.setblocking(False)
            self._sockets["node" if name == "br0" else name] = hearing
        return True

    def nft(self, arguments: list[str], text: str) -> list[Any]:
        done = subprocess.run(["nft", *arguments], input=text, capture_output=True, text=True, check=False)
        return [done.returncode, done.stdout, done.stderr]

    def generation(self) -> int | None:
        found: int | None = _generation_module().generation()
        return found

    def send(self, machine: str, frame: str) -> list[str]:
        for one in self._sockets.values():
            while _read(one) is not None:
                pass
        sent = bytes.fromhex(frame)
        self._sockets[machine].send(sent)
        heard: set[str] = set()
        others = {one: name for name, one in self._sockets.items() if name != machine}
        # The kernel takes a VLAN tag aside.
        bare = sent[:12] + sent[16:] if sent[12:14] == b"\x81\x00" else sent
        while True:
            readable, _w, _x = select.select(list(others), [], [], _ALL_WITHIN if heard else _ARRIVES_WITHIN)
            if not readable:
                return sorted(heard)
            for one in readable:
                data = _read(one)
                if data is not None and data[: len(bare)] in (bare, sent[: len(data)]):
                    heard.add(others[one])


def _generation_module() -> Any:
    """As nodes have it: without anything of Drover's beside it."""
    file = Path(__file__).resolve().parents[3] / "plugins/module_utils/hypervisor/ruleset_generation.py"
    spec = importlib.util.spec_from_file_location("ruleset_generation", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(one: socket.socket) -> bytes | None:
    """A frame that came in; one that goes out is empty."""
    try:
        data, address = one.recvfrom(70_000)
    except BlockingIOError:
        return None
    return b"" if address[2] == socket.PACKET_OUTGOING else data


def main() -> None:
    namespace = _Namespace()
    for line in sys.stdin:
        request = json.loads(line)
        does: Callable[..., Any] = getattr(namespace, request.pop("do"))
        try:
            answer = {"is": does(**request)}
        except Exception as error:  # whoever asked is told
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
