# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes and durations."""

from __future__ import annotations

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core import quantities


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 * 1024**2),
        ("2GiB", 2 * 1024**3),
        ("2 GiB", 2 * 1024**3),
        ("1.5G", 3 * 1024**3 // 2),
        ("1TiB", 1024**4),
        ("4096", 4096),
        (4096, 4096),
    ],
)
def test_sizes_are_bytes(text: object, size: int) -> None:
    assert quantities.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2GB", "write 2GiB"),
        ("2gib", "unknown unit"),
        ("0.3KiB", "whole number"),
        ("-1", "is not a size"),
        ("", "is not a size"),
        (None, "is not a size"),
        (True, "is not a size"),
        (1.5, "is not a size"),
    ],
)
def test_what_is_no_size_says_what_is(text: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        quantities.parse_size(text)


@pytest.mark.parametrize(("text", "ms"), [("50ms", 50), ("2s", 2000), ("1.5min", 90_000), ("1h", 3_600_000)])
def test_durations_are_milliseconds(text: str, ms: int) -> None:
    assert quantities.parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "remedy"), [("50", "write 50ms or 50s"), (50, "lacks a unit"), ("1d", "unknown unit"), ("0.5ms", "whole")]
)
def test_what_is_no_duration_says_what_is(text: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        quantities.parse_duration(text)


@pytest.mark.parametrize("text", ["2GiB", "1536MiB", "1000B", "0B", "3TiB"])
def test_formatted_sizes_read_back(text: str) -> None:
    assert quantities.format_size(quantities.parse_size(text)) == text


@pytest.mark.parametrize("text", ["50ms", "2s", "90s", "3min", "1h"])
def test_formatted_durations_read_back(text: str) -> None:
    assert quantities.format_duration(quantities.parse_duration(text)) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (61 * 1024**2, "61 MiB"),
        (10 * 1024**2, "10 MiB"),
        (3 * 1024**3 // 2, "1.5 GiB"),
        (2000 * 1024**4, "2000 TiB"),
    ],
)
def test_rough_sizes_have_two_digits_or_three(size: int, text: str) -> None:
    assert quantities.rough_size(size) == text
