# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import bz2

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
