# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages of docs/ that are made from the code; `make docs` writes them, and a unit test compares."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))

from ansible_collections.cspp.drover.plugins.module_utils.preflight.reasons import CODES  # noqa: E402

REASON_CODES = ROOT / "docs" / "reason-codes.md"


def reason_codes() -> str:
    """The page of reason codes: one row for each, in the order in which they are looked for."""
    rows = [f"| `{code}` | {severity} | {meaning} |" for code, (severity, meaning) in CODES.items()]
    return "\n".join(
        [
            "# Reason codes: what can speak against a move",
            "",
            "Made from the code by `make docs`. `preflight.yml` and `migrate.yml` give each with a message that says",
            "what is the case, and a remedy. What a node has against a move can be overruled: `-e ignore=CODE,CODE`.",
            "Codes stay what they are.",
            "",
            "| code | | when |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    REASON_CODES.write_text(reason_codes(), encoding="utf-8")
