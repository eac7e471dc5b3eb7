# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result of a trial: what one fault came to."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Result"]


@dataclass
class Result:
    """What one fault came to. ``seen`` is where the move was when it struck, as far as could be seen."""

    fault: str
    phase: str
    way: str
    route: str = ""
    seen: str = ""
    injected: bool = False
    seconds: float = 0.0
    silence: float | None = None
    session: str = ""
    lost: bool = False
    twice: list[str] = field(default_factory=list)
    broken: str = ""
    left: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    helped: list[str] = field(default_factory=list)
    #: What a VM that was lost looked like, by node.
    found: dict[str, str] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        return not (self.lost or self.twice or self.broken or self.left or self.wrong)
