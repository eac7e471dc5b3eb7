# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificate authority is replaced while guests run; migrations work before and after."""

from __future__ import annotations

from ..lab import Lab
from ..plays import succeed


def authorities(lab: Lab) -> set[str]:
    """What each node believes."""
    return {lab.ssh(node)(["cat", "/etc/drover/pki/ca.crt"]).stdout for node in lab.nodes}


def test_the_authority_is_replaced_and_a_vm_still_migrates(lab: Lab) -> None:
    before = authorities(lab)
    succeed("certificates")
    after = authorities(lab)
    assert len(after) == 1
    assert not after & before
    assert next(iter(after)).count("BEGIN CERTIFICATE") == 1, "the old authority is still believed"
    source = lab.where("game")
    succeed("migrate", guest="game")
    assert lab.where("game") != source
    succeed("migrate", guest="game", to=source)
    assert succeed("site", "--check").changed == set()
