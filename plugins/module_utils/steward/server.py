# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steward's door: a Unix socket that the console alone may open, and a thread for each request."""

from __future__ import annotations

import grp
import socket
import syslog
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.errors import DroverError
from ..core.parting import part
from ..core.unix_socket import listen
from .trouble import Trouble
from .wire import Ongoing, Request, receive, send

__all__ = ["GROUP", "SOCKET", "Answer", "converse", "serve"]

SOCKET = Path("/run/drover-steward/socket")
#: The group of the console's own user.
GROUP = "drover-console"
#: Requests at a time.
_TOGETHER = 64
#: Seconds for the console to read an answer.
_SLOW = 30.0

Answer = Callable[[Request, Callable[[str], None]], Mapping[str, Any] | Ongoing]


def serve(answer: Answer, path: Path = SOCKET) -> None:
    """Answer requests for ever."""
    syslog.openlog("drover-steward", syslog.LOG_PID, syslog.LOG_DAEMON)
    free = threading.BoundedSemaphore(_TOGETHER)
    with _listener(path) as listener:
        while True:
            connection, _nobody = listener.accept()
            if not free.acquire(blocking=False):
                with connection, suppress(OSError):
                    busy = Trouble("busy", 503, f"{_TOGETHER} requests are under way", remedy="Ask again in a moment.")
                    send(connection, {"error": busy.as_dict()})
                continue
            threading.Thread(target=_attend, args=(connection, answer, free), daemon=True).start()


def converse(connection: socket.socket, answer: Answer) -> None:
    """Answer the request of one connection. Whatever goes wrong is told to who asked."""
    try:
        request = receive(connection)
        if request is None:
            return
        connection.settimeout(_SLOW)
        result = answer(request, lambda text: send(connection, {"progress": text}))
        if isinstance(result, Ongoing):
            # Whoever went away meanwhile is found to be gone by what follows, which also clears up.
            with suppress(OSError):
                send(connection, {"result": result.result})
            result.carry(connection)
            return
        said: dict[str, Any] = {"result": result}
    except Trouble as trouble:
        said = {"error": trouble.as_dict(), **trouble.beside}
    except DroverError as error:
        said = {"error": Trouble("failed", 503, error.cause, remedy=error.remedy).as_dict()}
    except OSError as error:
        said = {"error": Trouble("failed", 503, str(error)).as_dict()}
    except Exception:
        syslog.syslog(syslog.LOG_ERR, traceback.format_exc())
        remedy = "Its traceback is in the log of the node that served it: journalctl -u drover-steward."
        said = {"error": Trouble("internal", 500, "this is a mistake in Drover's code", remedy=remedy).as_dict()}
    with suppress(OSError):
        connection.settimeout(_SLOW)
        send(connection, said)
        part(connection)


def _attend(connection: socket.socket, answer: Answer, free: threading.BoundedSemaphore) -> None:
    try:
        with connection:
            converse(connection, answer)
    finally:
        free.release()


def _listener(path: Path) -> socket.socket:
    with suppress(KeyError, PermissionError):  # a node without a console has no such group
        return listen(path, mode=0o660, group=grp.getgrnam(GROUP).gr_gid)
    return listen(path)
