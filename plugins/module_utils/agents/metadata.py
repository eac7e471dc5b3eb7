# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metadata of an OCF resource agent: what it tells Pacemaker of itself, its parameters and its actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["GUESTS", "Action", "Metadata", "Parameter"]


class Parameter(NamedTuple):
    """An instance attribute. A change to one that is not reloadable makes Pacemaker restart the resource."""

    name: str
    shortdesc: str
    longdesc: str
    reloadable: bool = False
    required: bool = False


class Action(NamedTuple):
    """An action with its default timeout and, for a recurring one, its interval, both in seconds."""

    name: str
    timeout: int
    interval: int | None = None


class Metadata(NamedTuple):
    """What an agent tells about itself."""

    name: str
    shortdesc: str
    longdesc: str
    parameters: Sequence[Parameter]
    actions: Sequence[Action]

    def timeout(self, action: str) -> int:
        """The default timeout of an action in seconds."""
        return next((known.timeout for known in self.actions if known.name == action), 20)

    def xml(self) -> str:
        """The answer to ``meta-data``. Texts are plain: nothing in them needs escaping."""
        lines = ['<?xml version="1.0"?>', f'<resource-agent name="{self.name}" version="1.0">']
        lines += ["<version>1.1</version>", *_described("", self), "<parameters>"]
        for parameter in self.parameters:
            flags = f'reloadable="{parameter.reloadable:d}" required="{parameter.required:d}"'
            lines.append(f'  <parameter name="{parameter.name}" unique="0" {flags}>')
            lines += [*_described("    ", parameter), '    <content type="string"/>', "  </parameter>"]
        lines += ["</parameters>", "<actions>"]
        for action in self.actions:
            every = "" if action.interval is None else f' interval="{action.interval}s" depth="0"'
            lines.append(f'  <action name="{action.name}" timeout="{action.timeout}s"{every}/>')
        return "\n".join([*lines, "</actions>", "</resource-agent>", ""])


def _described(indent: str, described: Metadata | Parameter) -> list[str]:
    return [
        f'{indent}<longdesc lang="en">{described.longdesc}</longdesc>',
        f'{indent}<shortdesc lang="en">{described.shortdesc}</shortdesc>',
    ]


def _guest_agent(
    name: str, guest: str, does: str, *, start: int, stop: int, migrate_to: int, reload_agent: int
) -> Metadata:
    """The metadata of the agent that runs one kind of ``guest``, named so in texts. Numbers are timeouts in seconds."""
    return Metadata(
        name=name,
        shortdesc=f"A {guest} of Drover",
        longdesc=does,
        parameters=(
            Parameter(
                "definition",
                f"What the {guest} is",
                f"The {guest} as a JSON object, written by Drover. What can be changed while it runs is changed "
                "when this changes; the rest waits for the next start.",
                reloadable=True,
                required=True,
            ),
            Parameter(
                "boot",
                "Which start this is",
                f"Drover changes it when the {guest} has to restart and somebody permitted that.",
            ),
        ),
        actions=(
            Action("start", timeout=start),
            Action("stop", timeout=stop),
            Action("monitor", timeout=30, interval=10),
            Action("migrate_to", timeout=migrate_to),
            Action("migrate_from", timeout=60),
            Action("reload-agent", timeout=reload_agent),
            Action("validate-all", timeout=20),
            Action("meta-data", timeout=5),
        ),
    )


#: The agents of guests, by the kind of guest they run.
GUESTS: Mapping[str, Metadata] = {
    "vm": _guest_agent(
        "vm",
        "virtual machine",
        "Runs a virtual machine under libvirt from the definition Drover wrote, and migrates it live.",
        start=90,
        stop=120,
        migrate_to=600,
        reload_agent=60,
    ),
    "container": _guest_agent(
        "container",
        "container",
        "Runs a Linux container under LXC from the definition Drover wrote.",
        start=60,
        stop=90,
        migrate_to=86400,
        reload_agent=30,
    ),
}
