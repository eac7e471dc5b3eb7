# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values from YAML in messages: on one line, of bounded length, and without anything a terminal could act on."""

from __future__ import annotations

__all__ = ["quoted", "step"]

_MOST = 60


def quoted(value: object) -> str:
    """A value as Python writes it, the middle left out when it is long."""
    if isinstance(value, int) and value.bit_length() > 4 * _MOST:
        return f"a number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except ValueError:
        return f"a {type(value).__name__} with a number in it that is too long to show"
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _MOST + 3 else f"{text[: _MOST // 2]}...{text[-_MOST // 2 :]}"


def step(name: object) -> str:
    """A key as a step of a path: as it stands where it can, else quoted."""
    text = name if isinstance(name, str) else quoted(name)
    return text if text.isprintable() and 0 < len(text) <= _MOST + 3 else quoted(text)
