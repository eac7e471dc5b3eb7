# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes and durations as people write them, as whole bytes and whole milliseconds, and back."""

from __future__ import annotations

import re
from fractions import Fraction

from .quoting import quoted

__all__ = [
    "ETHERNET_MTU",
    "GIB",
    "KIB",
    "MIB",
    "TIB",
    "format_duration",
    "format_size",
    "parse_duration",
    "parse_size",
    "rough_size",
]

KIB = 1024
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4

#: Bytes that an Ethernet frame carries where nothing else is said.
ETHERNET_MTU = 1500

_SIZES = {"": 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB}
_SHORT_SIZES = {"K": "KiB", "M": "MiB", "G": "GiB", "T": "TiB"}
_DECIMAL_SIZES = {"kB": "KiB", "KB": "KiB", "MB": "MiB", "GB": "GiB", "TB": "TiB"}
_DURATIONS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
_NUMBER = re.compile(r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?)\s*(?P<unit>[A-Za-z]{0,20})")


def parse_size(value: object) -> int:
    """Bytes in ``2GiB``, ``512MiB``, ``1.5G`` (short forms are binary too) or a plain number of bytes.

    ``GB`` is refused: some mean 1000³ by it and some 1024³. Raises ValueError with a remedy.
    """
    number, unit = _split(value, "a size such as 512MiB or 20GiB")
    if unit in _DECIMAL_SIZES:
        raise ValueError(f"{quoted(value)} is ambiguous: write {_plain(number)}{_DECIMAL_SIZES[unit]}")
    factor = _SIZES.get(_SHORT_SIZES.get(unit, unit))
    if factor is None:
        raise ValueError(f"{quoted(value)} has an unknown unit {quoted(unit)}: use KiB, MiB, GiB or TiB")
    return _whole(value, number * factor, "bytes")


def parse_duration(value: object) -> int:
    """Milliseconds in ``50ms``, ``2s``, ``1.5min`` or ``1h``. Raises ValueError with a remedy."""
    number, unit = _split(value, "a duration such as 50ms or 30s")
    if not unit and number:
        raise ValueError(f"{quoted(value)} lacks a unit: write {_plain(number)}ms or {_plain(number)}s")
    factor = _DURATIONS.get(unit or "ms")
    if factor is None:
        raise ValueError(f"{quoted(value)} has an unknown unit {quoted(unit)}: use ms, s, min or h")
    return _whole(value, number * factor, "milliseconds")


def format_size(size: int) -> str:
    """The shortest exact form that parse_size reads back: ``2GiB``, ``1536MiB``, ``1000B``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return f"{size}B"


def rough_size(size: float) -> str:
    """For people, with two or three digits: ``61 MiB``, ``1.5 GiB``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        amount = size / _SIZES[unit]
        if amount >= 1:
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{size:.0f} B"


def format_duration(milliseconds: int) -> str:
    """The shortest exact form that parse_duration reads back: ``50ms``, ``2s``."""
    for unit in ("h", "min", "s"):
        if milliseconds and milliseconds % _DURATIONS[unit] == 0:
            return f"{milliseconds // _DURATIONS[unit]}{unit}"
    return f"{milliseconds}ms"


def _split(value: object, wanted: str) -> tuple[Fraction, str]:
    match = _NUMBER.fullmatch(_text(value))
    if match is None:
        raise ValueError(f"{quoted(value)} is not {wanted}")
    return Fraction(match["number"]), match["unit"]


def _text(value: object) -> str:
    """What was written, as far as it can be a quantity at all."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _whole(value: object, amount: Fraction, unit: str) -> int:
    if amount.denominator != 1:
        near = format_size(int(amount) // MIB * MIB) if unit == "bytes" else format_duration(int(amount))
        remedy = f": write {near}" if amount > (MIB if unit == "bytes" else 1) else ""
        raise ValueError(f"{quoted(value)} is not a whole number of {unit}{remedy}")
    return int(amount)


def _plain(number: Fraction) -> str:
    return f"{float(number):g}"
