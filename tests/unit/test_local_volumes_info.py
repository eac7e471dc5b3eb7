# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.local_volumes_info: what is here, and what the cluster knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.modules import local_volumes_info
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, status

Call = Callable[..., dict[str, Any]]

CIB = """
<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/><nodes/><resources>
<primitive id="db" class="ocf" provider="drover" type="vm"><instance_attributes id="db-params">
<nvpair id="db-definition" name="definition" value='{"kind":"vm","name":"db","disks":[
{"target":"vda","source":{"path":"/pool/vms/db/vda.qcow2"}},
{"target":"vdz","source":{"path":"/pool/vms/db/seed.img"},"readonly":true}]}'/></instance_attributes></primitive>
<primitive id="web" class="ocf" provider="drover" type="container"><instance_attributes id="web-params">
<nvpair id="web-definition" name="definition" value='{"kind":"container","name":"web",
"rootfs":{"path":"/pool/containers/web/rootfs"}}'/></instance_attributes></primitive>
</resources><constraints>
<rsc_location id="drover-data-web" rsc="web" node="node2" score="20000"/>
<rsc_location id="drover-data-other" rsc="other" node="node3" score="20000"/>
</constraints></configuration></cib>
"""


def silent(_self: Pacemaker) -> str:
    raise ClusterError("not a running member")


@pytest.fixture
def wanted(tmp_path: Path) -> list[dict[str, Any]]:
    for name in ("web", "moved", "vm"):
        (tmp_path / name / "volume").mkdir(parents=True)
    (tmp_path / "moved/moved").touch()
    names = ("web", "moved", "vm", "new")
    return [{"name": name, "paths": [str(tmp_path / name / "none"), str(tmp_path / name / "volume")]} for name in names]


def test_found(call: Call, wanted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pacemaker, "query", lambda _self: CIB)
    result = call(local_volumes_info, guests=wanted)
    assert (result["changed"], result["held"], result["kept"]) == (False, ["web", "vm"], {"web": "node2"})


def test_the_cluster_knows_a_guest_by_the_volumes_with_its_data(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pacemaker, "query", lambda _self: CIB)
    assert call(local_volumes_info, guests=[], names=["db", "web", "new"])["known"] == {
        "db": {"vda": "/pool/vms/db/vda.qcow2"},
        "web": {"rootfs": "/pool/containers/web/rootfs"},
    }


@pytest.mark.parametrize(("asked", "begun"), [(["db", "web"], []), (False, ["vda"]), (False, [])])
def test_where_vms_are_whose_disks_may_be_moved(
    call: Call, monkeypatch: pytest.MonkeyPatch, asked: Any, begun: list[str]
) -> None:
    ends = '{"vda":{"from":{"path":"/a"},"to":{"path":"/b"}}}'
    pair = f"""<nvpair id="n" name="drover-disks" value='{ends}'/>"""
    meta = f'<meta_attributes id="m">{pair}</meta_attributes></primitive>'
    monkeypatch.setattr(Pacemaker, "query", lambda _self: CIB.replace("</primitive>", meta, 1) if begun else CIB)
    monkeypatch.setattr(Pacemaker, "status", lambda _self: status(guest("db", "n3")))
    told = call(local_volumes_info, guests=[], names=["db", "web", "new"], move_disks=asked)["moves"]
    disks = {"vda": {"path": "/pool/vms/db/vda.qcow2"}, "vdz": {"path": "/pool/vms/db/seed.img"}}
    assert told == ({"db": {"on": "n3", "disks": disks, "begun": begun}} if asked or begun else {})


def test_the_ids_of_all_containers_are_known_whoever_is_asked_about(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = CIB.replace('"name":"web",', '"name":"web","idmap":{"start":10065536,"count":65536},')
    for cib, start in ((CIB, 10000000), (own, 10065536)):
        monkeypatch.setattr(Pacemaker, "query", lambda _self, cib=cib: cib)
        assert call(local_volumes_info, guests=[])["id_ranges"] == {"web": {"start": start, "count": 65536}}
    monkeypatch.setattr(
        Pacemaker, "query", lambda _self: CIB.replace('"name":"web",', '"name":"web","privileged":true,')
    )
    assert call(local_volumes_info, guests=[])["id_ranges"] == {}


def test_only_what_is_lent_of_users_and_groups_counts(tmp_path: Path) -> None:
    assert local_volumes_info.lent(folder=tmp_path) == []
    # What a dry run would write counts as written.
    assert local_volumes_info.lent(["root:7:65536"], tmp_path) == [[7, 65536]]
    (tmp_path / "subuid").write_text("me:100000:65536\nroot:10000000:65536\nroot:10000000:268435456\nroot:x:y\n")
    (tmp_path / "subgid").write_text("root:10000000:268435456\nroot:1:1\n\n")
    assert local_volumes_info.lent(folder=tmp_path) == [[10000000, 268435456]]


def test_a_node_that_is_no_member_tells_what_it_has(
    call: Call, wanted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pacemaker, "query", silent)
    result = call(local_volumes_info, guests=wanted, ask_cluster=False)
    assert (result["held"], result["kept"]) == (["web", "vm"], {})


def test_a_cluster_that_does_not_answer_is_not_taken_for_none(
    call: Call, wanted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pacemaker, "query", silent)
    assert "not a running member" in call(local_volumes_info, guests=wanted)["msg"]
