# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import bz2
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import sizing
from ansible_collections.cspp.drover.tests.bench.scale import synthetic


@pytest.mark.parametrize(
    ("guests", "nodes", "buffer", "limit"),
    [(0, 1, 2**20, 500), (100, 3, 2**20, 500), (1000, 3, 2**20, 3000), (1000, 16, 2**22, 16_000)],
)
def test_sizes(guests: int, nodes: int, buffer: int, limit: int) -> None:
    assert sizing.ipc_buffer(guests, nodes) == buffer
    assert sizing.ipc_limit(guests, nodes) == limit


@pytest.mark.parametrize(("guests", "nodes"), [(200, 3), (200, 16)])
def test_the_estimate_fits_what_drover_writes(guests: int, nodes: int) -> None:
    cib = synthetic.cluster_of(guests, synthetic.node_names(nodes)).encode()
    # Level 4 is what Pacemaker compresses by.
    size = len(bz2.compress(cib, 4))
    assert size * 0.95 <= sizing.compressed_cib(guests, nodes) <= size * 1.6


@pytest.mark.parametrize(
    ("environ", "buffer"),
    [("A=1\0PCMK_ipc_buffer=1048576\0B=2", 2**20), ("PCMK_ipc_buffer=10", 2**17), ("A=1", 2**17), (None, None)],
)
def test_what_pacemaker_was_started_with(tmp_path: Path, environ: str | None, buffer: int | None) -> None:
    for pid, name in (("12", "bash"), ("self", "pacemakerd"), ("34", "pacemakerd")):
        if pid != "34" or environ is not None:
            (tmp_path / pid).mkdir()
            (tmp_path / pid / "comm").write_text(f"{name}\n")
            (tmp_path / pid / "environ").write_text(environ or "")
    assert sizing.running_buffer(tmp_path) == buffer
