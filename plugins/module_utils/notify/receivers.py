# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Receivers of notifications: URLs as apprise takes them (https://github.com/caronc/apprise), by the site's own names.

A URL holds passwords and tokens. It lies in one file of root's, is in no program's arguments, and in no message of
ours. Sending is done by a process of its own, which a server that does not answer may keep.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError
from ..core.installed import program

__all__ = ["FILE", "deliver", "fault", "malformed", "receivers", "send", "send_main"]

FILE = Path("/etc/drover/notify.json")
#: Seconds for a message to be sent.
_PATIENCE = 30.0
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x1f]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS = "https://github.com/caronc/apprise/wiki lists what there is"


def receivers(path: Path = FILE) -> dict[str, str]:
    """The receivers' URLs by name; none where none are declared. Raises DroverError for a file that is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(url) for name, url in said["receivers"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, AttributeError) as error:
        raise DroverError(f"{path} is not what it should be", remedy="Run site.yml.") from error


def malformed(declared: Any) -> list[str]:
    """What is wrong with receivers as they are declared, as far as it shows without apprise; nothing of a URL in it."""
    if not isinstance(declared, Mapping):
        return ["notify_receivers is no mapping from names to URLs"]
    faults = [f"{name}: a name has letters, digits, - and _" for name in declared if not _NAME.fullmatch(str(name))]
    form = "it is no URL, such as mailto://user:password@example.org or ntfy://ntfy.example.org/topic"
    return faults + [f"{name}: {form}" for name, url in declared.items() if not _URL.fullmatch(str(url))]


def fault(url: str) -> str:
    """What is wrong with a URL by apprise's own judgement; empty when it would take it. Raises ImportError without
    apprise."""
    return "" if _instance(url) is not None else f"apprise makes nothing of it; {_KINDS}"


def send(url: str, title: str, body: str, severity: str) -> bool:
    """Send a message; whether the other end took it."""
    found = _instance(url)
    return found is not None and bool(found.notify(body=body, title=title, notify_type=severity))


def deliver(name: str, title: str, body: str, severity: str, runner: Runner = run) -> str:
    """Send a message to a receiver, by a process of its own; why it could not be, empty when it was."""
    said = json.dumps({"receiver": name, "title": title, "body": body, "severity": severity})
    try:
        runner([program("notify"), "send"], stdin=said, timeout=_PATIENCE)
    except CommandError as error:
        if error.result is None:
            return f"no end within {_PATIENCE:.0f} s"
        return error.result.stderr.strip() or "its server did not take it"
    return ""


def send_main(path: Path = FILE) -> int:
    """The process of one message, which is told it on its standard input."""
    said: Mapping[str, Any] = json.load(sys.stdin)
    url = receivers(path).get(said["receiver"])
    if url is None:
        sys.stderr.write("it is not declared any more")
        return 1
    try:
        if send(url, said["title"], said["body"], said["severity"]):
            return 0
    except ImportError:
        sys.stderr.write("the package apprise is not installed here")
        return 1
    except Exception as error:  # whatever a plug-in of apprise's raises; its words may hold the URL
        sys.stderr.write(f"apprise failed: {type(error).__name__}")
        return 1
    sys.stderr.write("its server did not take it")
    return 1


def _instance(url: str) -> Any:
    import apprise

    # Its complaints hold URLs.
    logging.getLogger("apprise").propagate = False
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    # One after the other, in this process.
    asset = apprise.AppriseAsset(async_mode=False, app_id="Drover", app_desc="Drover", app_url="")
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
