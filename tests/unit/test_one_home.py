# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths below /etc/drover, and this node's name: each stands in the code once, and texts agree with it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from ansible_collections.cspp.drover.plugins.module_utils.agents.leaving import POLICY
from ansible_collections.cspp.drover.plugins.module_utils.ceph.monitor import FORMED
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.accelerator import RECORD
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.packet_filter import FACTS
from ansible_collections.cspp.drover.plugins.module_utils.notify.receivers import FILE as RECEIVERS
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PKI
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import FOLDER as ACCESS
from ansible_collections.cspp.drover.plugins.module_utils.trust.keyfiles import SECRETS
from ansible_collections.cspp.drover.plugins.module_utils.trust.renewal import CONSOLE, DECLARED
from ansible_collections.cspp.drover.plugins.modules import accelerator

ROOT = Path(__file__).resolve().parents[2]
#: Where each stands.
HOMES = {
    str(FACTS): "plugins/module_utils/hypervisor/packet_filter.py",
    str(POLICY): "plugins/module_utils/agents/leaving.py",
    str(PKI): "plugins/module_utils/peer/channel.py",
    str(RECORD): "plugins/module_utils/hypervisor/accelerator.py",
    str(DECLARED): "plugins/module_utils/trust/renewal.py",
    str(CONSOLE): "plugins/module_utils/trust/renewal.py",
    str(FORMED): "plugins/module_utils/ceph/monitor.py",
    str(SECRETS): "plugins/module_utils/trust/keyfiles.py",
    str(ACCESS): "plugins/module_utils/steward/access.py",
    str(RECEIVERS): "plugins/module_utils/notify/receivers.py",
}
PATH = re.compile(r"/etc/drover/[\w.-]+")
TEXTS = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def code() -> dict[str, str]:
    return {str(file.relative_to(ROOT)): file.read_text() for file in (ROOT / "plugins").rglob("*.py")}


def _without_texts(tree: ast.AST) -> Iterator[ast.AST]:
    """What is neither a docstring nor a module's documentation."""
    for node in ast.iter_child_nodes(tree):
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        documentation = isinstance(node, ast.Assign) and any(getattr(it, "id", "") in TEXTS for it in node.targets)
        if not (docstring or documentation):
            yield node
            yield from _without_texts(node)


def places(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each path below /etc/drover that stands in the code, and the file."""
    return sorted(
        (found, file)
        for file, text in texts.items()
        for node in _without_texts(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in PATH.findall(node.value)
    )


def hostnames(texts: Mapping[str, str]) -> list[str]:
    """The files that ask the kernel for this node's name."""
    asked = [(file, node) for file, text in texts.items() for node in ast.walk(ast.parse(text))]
    return sorted({file for file, node in asked if getattr(node, "attr", "") in {"nodename", "gethostname"}})


def test_a_path_stands_once() -> None:
    assert places(code()) == sorted(HOMES.items())


def test_texts_and_roles_mean_the_same_paths() -> None:
    files = [*(ROOT / "plugins/modules").glob("*.py"), *(ROOT / "docs").rglob("*.md")]
    files += [file for kind in ("yml", "j2") for file in (ROOT / "roles").rglob(f"*.{kind}")]
    meant = {path for file in files for path in PATH.findall(file.read_text())}
    assert meant == set(HOMES)
    documented = yaml.safe_load(accelerator.DOCUMENTATION)["options"]["path"]["default"]
    assert documented == str(RECORD)


def test_only_one_function_asks_for_the_nodes_name() -> None:
    assert hostnames(code()) == ["plugins/module_utils/core/node_name.py"]


def test_a_second_home_is_found() -> None:
    second = "DOCUMENTATION = '/etc/drover/pki'\ndef f():\n    '''/etc/drover/pki'''\n    return '/etc/drover/pki'\n"
    assert places({"a.py": second}) == [("/etc/drover/pki", "a.py")]
    assert hostnames({"a.py": "import os\nhere = os.uname().nodename\n"}) == ["a.py"]
