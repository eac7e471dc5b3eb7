# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An API against its own description: requests that nobody would think of, from a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

__all__ = ["examine"]

_SEED = 17


def examine(schema: Any, examples: int, judge: Callable[..., None], **more: SearchStrategy[Any]) -> None:
    """Have so many requests to every operation judged, each as ``case``, with what else is to be chosen by chance."""
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for found in schema.get_all_operations():
        operation = found.ok()
        # An open stream has no answer to judge.
        if not operation.path.endswith("/events"):
            seed(_SEED)(chosen(given(case=operation.as_strategy(), **more)(judge)))()
