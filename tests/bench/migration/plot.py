# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A picture of the bench: every migration a dot, every median a bar. SVG, written by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from .figures import MEASURES, Record, Spread

__all__ = ["draw"]

_COLOURS = ("#888888", "#bb9977", "#cc6677", "#117733", "#332288")
_SHOWN = ("pause_ms", "silence_ms", "lost", "total_ms")
_LEFT, _WIDTH, _ROW, _PANEL = 90, 520, 12, 40


def draw(records: Sequence[Record]) -> str:
    """One panel per measure: loads from top to bottom, in each a line per way, on a logarithmic scale."""
    shown = [key for key in _SHOWN if any(record.get(key) is not None for record in records)]
    loads = list(dict.fromkeys(record["load"] for record in records))
    ways = list(dict.fromkeys(record["way"] for record in records))
    colours = {way: _COLOURS[i % len(_COLOURS)] for i, way in enumerate(ways)}
    block = _ROW * len(ways) + 8
    panel = _PANEL + block * len(loads)
    height = 30 + panel * len(shown)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for i, way in enumerate(ways):
        parts.append(f'<text x="{_LEFT + 120 * i}" y="18" fill="{colours[way]}">● {escape(way)}</text>')
    for number, key in enumerate(shown):
        parts += _panel(records, key, 30 + panel * number, block, loads, colours)
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    records: Sequence[Record], key: str, top: int, block: int, loads: Sequence[str], colours: Mapping[str, str]
) -> list[str]:
    # Of packets none can be lost, which has a place of its own to the left of one.
    least = 1.0 if key.endswith("_ms") else 0.3
    values = [max(least, record[key]) for record in records if record.get(key) is not None]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(*values, 1.0) * 1.01))
    bottom = top + 20 + block * len(loads)

    def x(value: float) -> float:
        return _LEFT + _WIDTH * (math.log10(max(least, value)) - low) / (high - low)

    parts = [f'<text x="{_LEFT}" y="{top + 12}" font-weight="bold">{escape(MEASURES[key])}</text>']
    if least < 1:
        parts.append(f'<text x="{x(0):.1f}" y="{bottom + 12}" text-anchor="middle" fill="#666666">0</text>')
    for power in range(max(0, low), high + 1):
        at = x(10**power)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top + 18}" y2="{bottom}" stroke="#dddddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 12}" text-anchor="middle" fill="#666666">{10**power}</text>')
    for i, load in enumerate(loads):
        y = top + 24 + block * i
        parts.append(f'<text x="{_LEFT - 8}" y="{y + block / 2}" text-anchor="end">{escape(load)}</text>')
        for way, colour in colours.items():
            mine = [r[key] for r in records if (r["load"], r["way"]) == (load, way) and r.get(key) is not None]
            spread = Spread.of(mine)
            y += _ROW
            parts += [
                f'<circle cx="{x(value):.1f}" cy="{y - 4}" r="2.5" fill="{colour}" fill-opacity="0.5"/>'
                for value in mine
            ]
            if spread:
                at = x(spread.p50)
                parts.append(
                    f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 9}" y2="{y + 1}" stroke="{colour}" stroke-width="2"/>'
                )
    return parts
