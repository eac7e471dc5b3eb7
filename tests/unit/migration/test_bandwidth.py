# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The speed of the wire, and everybody's share of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import MIB
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.link import speed
from ansible_collections.cspp.drover.plugins.module_utils.migration.bandwidth import channels, share


def device(net: Path, name: str, megabits: int | None, *, bridge: str | None = None, tap: bool = False) -> None:
    folder = net / name
    (folder / "brport").mkdir(parents=True)
    if megabits is not None:
        (folder / "speed").write_text(f"{megabits}\n")
    if tap:
        (folder / "tun_flags").write_text("0x1002")
    if bridge:
        (net / bridge / "brif").mkdir(parents=True, exist_ok=True)
        (net / bridge / "brif" / name).symlink_to(folder / "brport")


@pytest.mark.parametrize(
    ("uplink", "expected"), [(1000, 125_000_000), (25_000, 3_125_000_000), (-1, None), (None, None)]
)
@pytest.mark.parametrize("bridged", [False, True])
def test_speed(tmp_path: Path, uplink: int | None, expected: int | None, bridged: bool) -> None:
    device(tmp_path, "eth0", uplink, bridge="br0" if bridged else None)
    device(tmp_path, "game-1", 10_000, bridge="br0", tap=True)

    def route(argv: list[str], **_how: Any) -> CommandResult:
        return CommandResult(tuple(argv), 0, f'[{{"dev": "{"br0" if bridged else "eth0"}"}}]', "")

    assert speed("127.0.0.1", route, tmp_path) == expected


@pytest.mark.parametrize(
    ("wire", "allowed", "moves", "expected"),
    [
        (None, None, 1, None),
        (None, 5 * MIB, 3, 5 * MIB),
        (100 * MIB, None, 1, 80 * MIB),
        (100 * MIB, None, 2, 40 * MIB),
        (100 * MIB, 30 * MIB, 2, 30 * MIB),
        (100 * MIB, 50 * MIB, 2, 40 * MIB),
        (100 * MIB, None, 0, 80 * MIB),
        (MIB, None, 99, MIB),
    ],
)
def test_share(wire: int | None, allowed: int | None, moves: int, expected: int | None) -> None:
    assert share(wire, allowed, moves) == expected


@pytest.mark.parametrize(
    ("most", "bandwidth", "expected"),
    [
        (2, None, 2),
        (2, 24 * MIB, 1),
        (2, 100_000_000, 1),  # four fifths of a gigabit a second
        (2, 250_000_000, 1),  # of 2.5
        (2, 400 * MIB, 2),
        (2, 1_000_000_000, 2),
        (8, 1_000_000_000, 4),
        (1, None, 1),
        (1, 1_000_000_000, 1),
        (2, 1, 1),
    ],
)
def test_no_channel_that_the_bandwidth_leaves_idle(most: int, bandwidth: int | None, expected: int) -> None:
    assert channels(most, bandwidth) == expected
