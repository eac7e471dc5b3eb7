# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Other people's JavaScript in this repository; `make vendor` fetches it anew, and a unit test compares it offline.

Each folder named here has a ``vendor.json``: a list of packages with ``name`` and ``version`` as npm knows them, the
tarball's ``integrity``, the licence (``spdx``), what is taken out of the tarball (``take``, patterns), and ``files``
with the SHA-256 of each, which `make vendor` writes. For a new version, change ``version`` and ``integrity`` there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "roles/console/files/www/vendor", ROOT / "tests/unit/console/vendor")

Package = dict[str, Any]


def packages(folder: Path) -> list[Package]:
    """The packages that this folder holds, as its vendor.json names them."""
    found: list[Package] = json.loads((folder / "vendor.json").read_text())
    return found


def home(package: Package) -> str:
    """The name of a package's folder, which is that of its tarball: "preact-signals-2.11.4"."""
    return f"{package['name'].lstrip('@').replace('/', '-')}-{package['version']}"


def digest(content: bytes) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _tarball(package: Package, place: Path) -> Path:
    """The tarball from npm's registry, refused unless it is the one that vendor.json names."""
    wanted = f"{package['name']}@{package['version']}"
    subprocess.run(["npm", "pack", "--silent", wanted], cwd=place, check=True, stdout=subprocess.DEVNULL)
    tarball = place / f"{home(package)}.tgz"
    got = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if got != package["integrity"]:
        raise SystemExit(f"{wanted} is {got}, and not the {package['integrity']} of vendor.json: take neither on trust")
    return tarball


def _unpack(package: Package, tarball: Path, target: Path) -> dict[str, str]:
    """Copies what is taken of a package; returns the digest of each file."""
    shutil.rmtree(target, ignore_errors=True)
    taken = {}
    with tarfile.open(tarball) as tar:
        for member in sorted(tar.getmembers(), key=lambda one: one.name):
            name = member.name.removeprefix("package/")
            source = tar.extractfile(member) if member.isfile() else None
            if source is None or not any(fnmatch(name, pattern) for pattern in package["take"]):
                continue
            content = source.read()
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(content)
            taken[name] = digest(content)
    return taken


def fetch(folder: Path) -> None:
    """Brings a folder to what its vendor.json names, and removes folders that it names no longer."""
    wanted = packages(folder)
    with tempfile.TemporaryDirectory() as place:
        for package in wanted:
            package["files"] = _unpack(package, _tarball(package, Path(place)), folder / home(package))
    for stale in {one for one in folder.iterdir() if one.is_dir()} - {folder / home(package) for package in wanted}:
        shutil.rmtree(stale)
    (folder / "vendor.json").write_text(json.dumps(wanted, indent=2) + "\n")


if __name__ == "__main__":
    for one in FOLDERS:
        fetch(one)
