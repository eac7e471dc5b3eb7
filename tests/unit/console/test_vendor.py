# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Other people's JavaScript is what `make vendor` took from the tarballs that vendor.json names, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.cspp.drover.tests import vendor

WWW = Path(__file__).resolve().parents[3] / "roles/console/files/www"
IDS = [str(folder.relative_to(vendor.ROOT)) for folder in vendor.FOLDERS]


@pytest.mark.parametrize("folder", vendor.FOLDERS, ids=IDS)
def test_every_file_is_named_with_its_hash_and_no_other_is_there(folder: Path) -> None:
    named = {
        f"{vendor.home(package)}/{name}": digest
        for package in vendor.packages(folder)
        for name, digest in package["files"].items()
    }
    there = {
        str(file.relative_to(folder)): vendor.digest(file.read_bytes())
        for file in folder.rglob("*")
        if file.is_file() and file.name != "vendor.json"
    }
    assert there == named


@pytest.mark.parametrize("folder", vendor.FOLDERS, ids=IDS)
def test_every_package_brings_its_licence_and_the_collection_names_it(folder: Path) -> None:
    told = set(yaml.safe_load((vendor.ROOT / "galaxy.yml").read_text())["license"])
    for package in vendor.packages(folder):
        assert any(name.startswith("LICENSE") for name in package["files"]), package["name"]
        assert set(package["spdx"].split(" AND ")) <= told, package["name"]
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])


def test_the_import_map_names_files_that_are_there() -> None:
    [text] = re.findall(r'<script type="importmap">(.*?)</script>', (WWW / "index.html").read_text(), re.DOTALL)
    for name, path in json.loads(text)["imports"].items():
        assert (WWW / path.removeprefix("./")).is_file(), name


def test_the_page_keeps_to_its_content_security_policy() -> None:
    """Nothing that a policy without unsafe-inline and unsafe-eval would stop: it would stop it unseen."""
    shell = (WWW / "index.html").read_text()
    assert not re.search(r"\son\w+=|\sstyle=|<style", shell)
    assert len(re.findall(r"<script", shell)) == 2 and "://" not in shell
    for file in (WWW / "app").rglob("*.js"):
        text = file.read_text()
        assert not re.search(r"\beval\(|new Function|innerHTML|document\.write", text), file.name
        assert len(text.splitlines()) <= 400, file.name
