#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install Drover's own code on a node, as a whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Install Drover's code on a node beside the version in use, and switch over in one step
version_added: 0.2.0
description:
  - A version, here a release, is a folder named after a hash of all that is in it. It is written in full and synced to
    the disk, then one link is turned to it. Programs follow that link once, when they start, so that none ever runs
    from two versions.
  - Nothing of a release that is in use is changed. A file that is gone from the source is gone from the next release.
  - Releases that nothing runs from any more are removed with O(state=tidied).
  - The action plugin of the same name reads O(source) and O(program) on the controller and packs them into one
    argument.
options:
  state:
    description:
      - V(installed) installs the release and lets programs start from it.
      - V(tidied) removes what neither starts nor runs any more, including what nodes had before there were releases.
        What a program still runs from stays, and is named in RV(kept).
    type: str
    choices: [installed, tidied]
    default: installed
  source:
    description: The folder on the controller that is installed as the package C(drover).
    type: path
  parts:
    description: What of O(source) is installed, as globs of files and of folders. A folder comes with all in it.
    type: list
    elements: str
  program:
    description: The file that starts a program by the name it is called by, looked up in the role's C(files/).
    type: str
  programs:
    description: The programs that have no other place than the release.
    type: list
    elements: str
    required: true
  agents:
    description: The programs that are Pacemaker's agents as well. Nothing else remains in O(agents_path).
    type: list
    elements: str
    required: true
  root:
    description: Where releases are installed.
    type: path
    default: /usr/lib/drover
  agents_path:
    description: Where Pacemaker looks for agents.
    type: path
    default: /usr/lib/ocf/resource.d/drover
  patience:
    description: With O(state=tidied), seconds to wait for programs of other versions that are about to end.
    type: int
    default: 5
  packed:
    description: What the action plugin packed.
    type: str
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
attributes:
  diff_mode:
    description: Shows both versions, and the files whose content differs.
"""

EXAMPLES = r"""
- name: Install Drover's code
  cspp.drover.release:
    source: "{{ role_path }}/../../plugins/module_utils"
    parts: ["*.py"]
    program: program
    programs: [peer, copy, deadman]
    agents: [vm, container]
"""

RETURN = r"""
version:
  description: The release that programs start from (in check mode would start from).
  type: str
  returned: always
before:
  description: The one they started from before; null when there was none.
  type: str
  returned: always
removed:
  description: With O(state=tidied), the versions and files that were (in check mode would be) removed.
  type: list
  elements: str
  returned: always
kept:
  description: With O(state=tidied), what programs of other versions still run from.
  type: list
  elements: str
  returned: always
"""

from collections.abc import Callable
from pathlib import Path

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.host.release import (
    Agents,
    Releases,
    Unreleased,
    listing,
    undisturbed,
    unpack,
    version,
)

DIFFERENCE = "release"


def install(module: QuietModule, releases: Releases, agents: Agents) -> None:
    """Make the release the one in use."""
    files = unpack(module.params["packed"])
    name, before = version(files), releases.current
    found = releases.read(before)
    wrong = releases.read(name) != files
    differences = agents.differences()
    if not module.check_mode:
        if wrong:
            releases.install(name, files)
        if name != before:
            releases.switch(name)
        if differences:
            agents.settle()
    changed = wrong or name != before or bool(differences)
    shown = {"before_header": DIFFERENCE, "after_header": DIFFERENCE, "before": "", "after": ""}
    if wrong or name != before:
        shown.update(before=listing(before, found), after=listing(name, files))
    shown["after"] += "".join(f"agent {agent}\n" for agent in differences)
    module.exit_json(changed=changed, version=name, before=before, removed=[], kept=[], diff=shown)


def _comes_true(look: Callable[[], bool], patience: int) -> bool:
    """Whether it is so, or becomes so within these seconds."""
    try:
        return wait_for(look, bool, what="it", timeout=patience, interval=0.2)
    except WaitTimeout:
        return False


def tidy(module: QuietModule, releases: Releases, unreleased: Unreleased) -> None:
    """Remove what nothing runs from."""
    patience = 0 if module.check_mode else module.params["patience"]
    old = unreleased.paths()
    # A monitor that began before the switch takes a moment to end, and one that begins now to take its lock. Of what
    # was before there were releases none begins any more: one look that finds none will do.
    in_use = bool(old) and not _comes_true(lambda: not unreleased.users(), patience)
    _comes_true(lambda: releases.unused() == releases.others(), patience)
    free = [] if in_use else old
    removed = releases.unused() if module.check_mode else releases.remove_unused()
    if free and not module.check_mode:
        unreleased.remove()
    kept = [name for name in releases.others() if name not in removed] + (old if in_use else [])
    removed = removed + free
    shown = {
        "before_header": DIFFERENCE,
        "after_header": DIFFERENCE,
        "before": "".join(f"{name}\n" for name in removed),
    }
    now = releases.current
    module.exit_json(
        changed=bool(removed), version=now, before=now, removed=removed, kept=kept, diff={**shown, "after": ""}
    )


def main() -> None:
    module = QuietModule(
        argument_spec={
            "state": {"type": "str", "choices": ["installed", "tidied"], "default": "installed"},
            "source": {"type": "path"},
            "parts": {"type": "list", "elements": "str"},
            "program": {"type": "str"},
            "programs": {"type": "list", "elements": "str", "required": True},
            "agents": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "path", "default": "/usr/lib/drover"},
            "agents_path": {"type": "path", "default": "/usr/lib/ocf/resource.d/drover"},
            "patience": {"type": "int", "default": 5},
            "packed": {"type": "str"},
        },
        required_if=[("state", "installed", ["packed"])],
        supports_check_mode=True,
    )
    root, folder = Path(module.params["root"]), Path(module.params["agents_path"])
    releases = Releases(root)
    what = "Drover's code could not be installed"
    with fail_on_error(module, OSError, what=what, remedy=lambda: f"Programs start from version {releases.current}."):
        if module.check_mode and not root.is_dir():
            # There is nothing to be in each other's way about.
            _settle(module, releases, root, folder)
        with undisturbed(root):
            _settle(module, releases, root, folder)


def _settle(module: QuietModule, releases: Releases, root: Path, folder: Path) -> None:
    if module.params["state"] == "installed":
        install(module, releases, Agents(folder, root, module.params["agents"]))
    tidy(module, releases, Unreleased(root, folder, module.params["programs"]))


if __name__ == "__main__":
    main()
