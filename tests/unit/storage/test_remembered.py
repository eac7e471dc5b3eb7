# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cluster remembers of pools, and what is noticed by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.storage import remembered
from ansible_collections.cspp.drover.plugins.module_utils.storage.pool_mark import MARK, unmounted
from ansible_collections.cspp.drover.plugins.module_utils.storage.remembered import ATTRIBUTE, mistaken, settings

COPY = """<cib><configuration><nodes>
<node id="1" uname="n1"><instance_attributes id="a"><nvpair id="b" name="drover-pools" value='{"/own": "one"}'/>
</instance_attributes></node>
<node id="2" uname="n2"><instance_attributes id="c"><nvpair id="d" name="drover-pools" value='{"/own": "two"}'/>
</instance_attributes></node></nodes></configuration></cib>"""


@pytest.mark.parametrize(
    ("known", "mark", "replaced", "said"),
    [
        ({}, None, (), ""),  # a new pool
        ({}, "one", (), ""),
        ({"/own": "one"}, "one", (), ""),
        ({"/own": "one"}, None, (), "/own is not mounted, or is empty"),
        ({"/own": "one"}, "two", (), "/own is another storage than it was"),
        ({"/own": "one"}, None, ("/own",), ""),
        ({"/else": "one"}, None, (), ""),
    ],
)
def test_another_pool_at_the_place_of_one_is_noticed(
    known: dict[str, str], mark: str | None, replaced: tuple[str, ...], said: str
) -> None:
    assert [problem[: len(said)] for problem in mistaken(known, {"/own": mark}, replaced)] == ([said] if said else [])


def test_each_node_has_its_own_remembered() -> None:
    wanted = settings(
        {"n1": {"utilization": {"memory": "1"}}, "n2": {}, "n3": {}}, {"n1": {"/a": "x"}, "n2": {"/a": None}}
    )
    assert wanted == {
        "n1": {"utilization": {"memory": "1"}, "attributes": {ATTRIBUTE: '{"/a": "x"}'}},
        "n2": {},
        "n3": {},
    }


def test_a_node_without_its_cluster_asks_its_own_copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def down(*_arguments: str) -> None:
        raise ClusterError("not a running member")

    monkeypatch.setattr(remembered, "node_name", lambda: "n2")
    monkeypatch.setattr(remembered, "_COPY", tmp_path / "cib.xml")
    monkeypatch.setattr(Pacemaker, "attribute", down)
    assert remembered.remembered() == {}
    (tmp_path / "cib.xml").write_text(COPY)
    assert remembered.remembered() == {"/own": "two"}
    monkeypatch.setattr(Pacemaker, "attribute", lambda _self, node, name: f'{{"/{name}": "{node}"}}')
    assert remembered.remembered() == {"/drover-pools": "n2"}
    monkeypatch.setattr(Pacemaker, "attribute", lambda *_arguments: None)
    assert remembered.remembered() == {}


def test_pools_that_are_not_mounted(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / MARK).touch()
    paths = [f"{tmp_path}/{pool}/vms/web/vda.qcow2" for pool in ("there", "away", "away")]
    assert unmounted(paths) == [f"{tmp_path}/away"]
