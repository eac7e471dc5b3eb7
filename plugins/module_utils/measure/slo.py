# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody asks of a move, and whether it was kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core import parse
from ..core.errors import InvalidValue
from ..core.quantities import format_duration, parse_duration

__all__ = ["breaches", "read"]

#: Each key with the key of the measured value.
_MEASURED = {"client_silence": "client_silence_ms", "downtime": "downtime_ms", "packets_lost": "packets_lost"}
_BY_PROBE = ("client_silence", "packets_lost")


def read(values: Mapping[str, Any] | None, *, probed: bool) -> dict[str, int]:
    """``client_silence`` and ``downtime`` in milliseconds, ``packets_lost`` as a number, as far as they are asked for.

    Raises InvalidValue for what is not that, or cannot be told because nobody probes.
    """
    problems: list[parse.Problem] = []
    fields = parse.Fields(values or {}, "slo", problems)
    asked = {
        "client_silence": fields.take("client_silence", parse.positive(parse_duration), -1),
        "downtime": fields.take("downtime", parse.positive(parse_duration), -1),
        "packets_lost": fields.take("packets_lost", parse.within(0, 1_000_000), -1),
    }
    fields.done()
    asked = {key: value for key, value in asked.items() if value >= 0}
    if not probed:
        for key in asked:
            if key in _BY_PROBE:
                fields.note(key, "nobody can tell without a probe: ask for one too, such as probe: ping")
    if problems:
        raise InvalidValue("; ".join(map(str, problems)))
    return asked


def breaches(asked: Mapping[str, int], measured: Mapping[str, Any]) -> list[str]:
    """What was not kept, a sentence each with both values. What was asked for and not measured was not kept."""
    said = []
    for key, limit in asked.items():
        value = measured.get(_MEASURED[key])
        time = key != "packets_lost"
        wish = f"{key}: at most {format_duration(limit) if time else limit} asked"
        if value is None:
            said.append(f"{wish}, nobody could measure it")
        elif value > limit:
            said.append(f"{wish}, {value:g}{'ms' if time else ''} measured")
    probe = measured.get("probe") or {}
    if probe.get("broken") and any(key in asked for key in _BY_PROBE):
        said.append(f"the probe's session broke: {probe['broken']}")
    return said
