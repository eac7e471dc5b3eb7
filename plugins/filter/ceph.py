# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters: from what the inventory says of Ceph to files and to who does what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.ceph import conf, keys, layout
from ansible_collections.cspp.drover.plugins.module_utils.trust.keyfiles import SECRETS


def who(nodes: Sequence[Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The nodes of each task."""
    return layout.layout(nodes, groups).as_dict()


def secret_file(name: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """An entry of module files for a secret that a node keeps."""
    path = f"{SECRETS}/ceph/{name}"
    return {"path": path, "content": f"{secrets[name]}\n", "mode": "0600", "sensitive": True}


def keyring_file(client: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """An entry of module files for the keyring by which a node is this client of Ceph's."""
    content = keys.keyring({client: (secrets[client], {})})
    return {"path": f"/etc/ceph/ceph.{client}.keyring", "content": content, "mode": "0600", "sensitive": True}


class FilterModule:
    """cspp.drover.ceph_*: see module_utils/ceph/."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "ceph_conf": conf.render,
            "ceph_keyring_file": keyring_file,
            "ceph_layout": who,
            "ceph_osd_count": layout.osd_count,
            "ceph_pools": layout.pools_of,
            "ceph_problems": layout.problems,
            "ceph_secret_file": secret_file,
        }
