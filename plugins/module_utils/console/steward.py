# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console's side of the steward's socket: a connection for each request, a line of JSON for each answer.

The console has no rights of its own. It hands on the credential that the browser or the tool sent, and the steward
says whose it is and what they may do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .refusal import Refusal

__all__ = ["SOCKET", "Caller", "Connection", "Steward"]

SOCKET = Path("/run/drover-steward/socket")
#: Bytes of a line: what the steward takes, and what it may answer for some thousand guests.
_REQUEST, _ANSWER = 256 << 10, 32 << 20
#: Seconds for the steward to accept, and to answer: it may be predicting a large drain.
_ACCEPT, _PATIENCE = 2.0, 60.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Caller:
    """Who asks: the credential as it came, None for nobody, and the address that it came from."""

    credential: str | None
    address: str


class Steward:
    """The steward of this node, by its socket."""

    def __init__(self, socket: Path = SOCKET, patience: float = _PATIENCE) -> None:
        self._socket = socket
        self._patience = patience

    async def ask(self, verb: str, caller: Caller, **arguments: Any) -> dict[str, Any]:
        """The result of a verb. Raises Refusal: the steward's own, or 503 when it does not answer."""
        async with self.connection(verb, caller, arguments) as (_, result):
            return result

    @asynccontextmanager
    async def connection(
        self, verb: str, caller: Caller, arguments: Mapping[str, Any], waiting: int = _ANSWER
    ) -> AsyncIterator[tuple[Connection, dict[str, Any]]]:
        """A connection after its result, for verbs that go on as a stream, of which some ``waiting`` bytes are held.
        Raises Refusal as ``ask`` does."""
        given = {name: value for name, value in arguments.items() if value is not None}
        asked = {"verb": verb, "arguments": given, "credential": caller.credential, "from": caller.address}
        line = json.dumps(asked).encode() + b"\n"
        if len(line) > _REQUEST:
            raise Refusal(413, "too_large", "the request is larger than the steward takes")
        reader, writer = await self._open(waiting)
        try:
            try:
                async with asyncio.timeout(self._patience):
                    writer.write(line)
                    await writer.drain()
                    result = await _answer(reader)
            except TimeoutError:
                raise _dead(f"the steward of this node did not answer within {self._patience:.0f} s") from None
            except (OSError, ValueError) as error:
                raise _dead(f"the steward of this node broke off: {error or type(error).__name__}") from error
            yield (reader, writer), result
        finally:
            writer.close()

    async def _open(self, waiting: int) -> Connection:
        try:
            async with asyncio.timeout(_ACCEPT):
                return await asyncio.open_unix_connection(self._socket, limit=waiting)
        except OSError as error:  # TimeoutError is one
            raise _dead(f"the steward of this node does not answer: {error or 'it accepts nobody'}") from error


async def _answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The result that follows any lines of progress. Raises Refusal, and ValueError for what is no answer."""
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise ValueError("its answer has no end")
        said = json.loads(line)
        match said:
            case {"result": dict() as result}:
                return result
            case {"error": {"message": str(message), "status": int(status), "code": str(code), "remedy": remedy}}:
                besides = {name: value for name, value in said.items() if name != "error"}
                raise Refusal(status, code, message, remedy=str(remedy or ""), besides=besides)
            case {"progress": _}:
                continue
            case _:
                raise ValueError("its answer is none that this console knows: they may be of different versions")


def _dead(cause: str) -> Refusal:
    return Refusal(503, "steward_unreachable", cause)
