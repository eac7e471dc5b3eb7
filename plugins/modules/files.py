#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write many whole files in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Keep a list of whole files as declared, in one call
version_added: 0.1.0
description:
  - Writes, links and removes files so that each is as its entry says. One call for a role's whole list costs
    what one task costs, where a loop costs one task per file and host.
  - The action plugin of the same name reads O(files[].src), O(files[].template) and O(files[].tree) on the controller.
  - Every file is written beside its place and renamed, so that a reader sees the old or the new one, never half of it.
options:
  files:
    description: What should be where.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path on the node. With O(files[].tree) the folder to fill.
        type: path
        required: true
      content:
        description: The file's whole text.
        type: str
      src:
        description: A file on the controller, looked up in the role's C(files/).
        type: str
      template:
        description: A Jinja2 template on the controller, looked up in the role's C(templates/).
        type: str
      tree:
        description:
          - A folder on the controller whose files matching O(files[].pattern) are all written below O(files[].path).
        type: str
      pattern:
        description: Which files of O(files[].tree) are meant, a glob.
        type: str
        default: "*"
      link:
        description: Make O(files[].path) a symbolic link to this.
        type: str
      state:
        description: V(file) for content or a link, V(directory), or V(absent).
        type: str
        choices: [file, directory, absent]
        default: file
      mode:
        description: Octal mode. Files get V(0644) and folders V(0755) unless told.
        type: str
      owner:
        description: Name of the owner.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      sensitive:
        description: Keep the content out of the diff.
        type: bool
        default: false
  owned:
    description:
      - Files that O(files) alone declares. Of those matching O(owned[].pattern), the ones that begin with
        O(owned[].first_line) and are not in O(files) are removed.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: Absolute path with wildcards in its last part.
        type: str
        required: true
      first_line:
        description: What says that a file was written by this list. Any other file is left alone.
        type: str
        required: true
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
attributes:
  diff_mode:
    description: Shows the difference of every file.
"""

EXAMPLES = r"""
- name: Write the cluster's configuration
  cspp.drover.files:
    files:
      - path: /etc/corosync/corosync.conf
        template: corosync.conf.j2
      - path: /etc/corosync/authkey
        content: "{{ secret }}"
        mode: "0400"
        sensitive: true

- name: Declare bridges, and remove what an earlier run declared
  cspp.drover.files:
    files: "{{ bridges | cspp.drover.networkd_files }}"
    owned:
      - pattern: /etc/systemd/network/05-drover-*
        first_line: "# Kept by Drover's role network."
"""

RETURN = r"""
changed_paths:
  description:
    - Paths that were (in check mode would be) changed, in the order declared, those removed because of O(owned) last.
  type: list
  elements: str
  returned: always
"""

import contextlib
import glob
import grp
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ansible_collections.cspp.drover.plugins.module_utils.core import atomic
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule

HIDDEN = "(hidden)\n"

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "src": {"type": "str"},
    "template": {"type": "str"},
    "tree": {"type": "str"},
    "pattern": {"type": "str", "default": "*"},
    "link": {"type": "str"},
    "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
    "mode": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "sensitive": {"type": "bool", "default": False},
}
OWNED = {"pattern": {"type": "str", "required": True}, "first_line": {"type": "str", "required": True}}

Kind = Literal["absent", "link", "directory", "file"]


@dataclass(frozen=True)
class Entry:
    """What is at a path, or what should be. ``text`` is a file's content or a link's target.

    ``mode`` and ``owner``, the numeric user and group, belong to files and folders. An owner that should be is unknown
    in check mode when a package that is to come brings it.
    """

    kind: Kind
    text: str | None = None
    mode: int | None = None
    owner: tuple[int, int] | None = None

    @property
    def rights(self) -> tuple[int | None, tuple[int, int] | None]:
        return self.mode, self.owner

    @property
    def thing(self) -> tuple[Kind, str | None]:
        return self.kind, self.text


def look(path: str) -> Entry:
    """What is at ``path``. Bytes that are no UTF-8 are kept as surrogates, line ends as they are."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Entry("absent")
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", os.readlink(path))
    mode, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
    if stat.S_ISDIR(status.st_mode):
        return Entry("directory", None, mode, owner)
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return Entry("file", file.read(), mode, owner)


def declared(entry: dict[str, Any], check: bool) -> Entry:
    """What should be at the path of one of the module's entries. Raises InvalidValue for an owner that is not there."""
    if entry["state"] == "absent":
        return Entry("absent")
    if entry["link"] is not None:
        return Entry("link", entry["link"])
    owner = _owner(entry, check)
    if entry["state"] == "directory":
        return Entry("directory", None, int(entry["mode"] or "0755", 8), owner)
    return Entry("file", entry["content"], int(entry["mode"] or "0644", 8), owner)


def _owner(entry: dict[str, Any], check: bool) -> tuple[int, int] | None:
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError as error:
        if check:
            return None
        raise InvalidValue(str(error.args[0])) from error


def difference(path: str, now: Entry, wanted: Entry, *, sensitive: bool) -> dict[str, str] | None:
    """The difference as Ansible shows it, or None when there is none. Contents stay hidden when ``sensitive``."""
    same_thing = now.thing == wanted.thing
    # Rights of what is replaced, or not there, are not comparable: neither of them is missed.
    same_rights = wanted.kind in ("absent", "link") or now.kind == "absent" or now.rights == wanted.rights
    if same_thing and same_rights:
        return None
    with_mode = same_thing or not same_rights
    return {
        "before_header": path,
        "after_header": path,
        "before": _shown(now, with_mode, sensitive),
        "after": _shown(wanted, with_mode, sensitive),
    }


def _shown(entry: Entry, with_mode: bool, sensitive: bool) -> str:
    if entry.kind == "absent":
        return ""
    if entry.kind == "link":
        return f"link to {entry.text}\n"
    if entry.kind == "directory":
        return "directory\n"
    body = HIDDEN if sensitive else entry.text or ""
    return f"# mode {entry.mode:04o}\n{body}" if with_mode else body


def carry_out(path: str, now: Entry, wanted: Entry) -> None:
    """Make ``path`` what is wanted."""
    if now.kind not in ("absent", wanted.kind):
        _remove(path, now.kind)
    if wanted.kind == "absent":
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if wanted.kind == "link":
        _link(path, wanted.text or "")
        return
    assert wanted.mode is not None
    assert wanted.owner is not None
    if wanted.kind == "directory":
        os.makedirs(path, exist_ok=True)
        os.chmod(path, wanted.mode)
        os.chown(path, *wanted.owner)
    else:
        content = (wanted.text or "").encode(errors="surrogateescape")
        atomic.write(Path(path), content, mode=wanted.mode, owner=wanted.owner)


def _remove(path: str, kind: Kind) -> None:
    if kind == "directory":
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _link(path: str, target: str) -> None:
    draft = f"{path}.drover-new"
    with contextlib.suppress(FileNotFoundError):  # a run that was cut short may have left one
        os.unlink(draft)
    os.symlink(target, draft)
    os.replace(draft, path)


def strays(owned: list[dict[str, str]], files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries that remove what an earlier list of files declared and this one does not."""
    declared_paths = {entry["path"] for entry in files}
    found = {path for each in owned for path in glob.glob(each["pattern"]) if _begins_with(path, each["first_line"])}
    return [{"path": path, "state": "absent", "sensitive": False} for path in sorted(found - declared_paths)]


def _begins_with(path: str, line: str) -> bool:
    here = look(path)
    return here.kind == "file" and (here.text or "").split("\n", 1)[0] == line


def main() -> None:
    module = QuietModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            "owned": {"type": "list", "elements": "dict", "default": [], "options": OWNED},
        },
        supports_check_mode=True,
    )
    changed: list[str] = []
    differences: list[dict[str, str]] = []
    entries = module.params["files"]
    # Ansible's -vvv shows what the module was called with.
    module.no_log_values.update(entry["content"] for entry in entries if entry["sensitive"] and entry["content"])
    for entry in [*entries, *strays(module.params["owned"], entries)]:
        path = entry["path"]
        if entry["state"] == "file" and (entry["content"] is None) == (entry["link"] is None):
            module.fail_json(msg=f"{path}: give exactly one of content, src, template, tree or link.")
        with fail_on_error(module, OSError, what=path, known=lambda: {"changed_paths": changed}):
            now, wanted = look(path), declared(entry, module.check_mode)
            shown = difference(path, now, wanted, sensitive=entry["sensitive"])
            if shown and not module.check_mode:
                carry_out(path, now, wanted)
        if shown:
            changed.append(path)
            differences.append(shown)
    module.exit_json(changed=bool(changed), changed_paths=changed, diff=differences)


if __name__ == "__main__":
    main()
