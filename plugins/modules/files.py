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
    required: true
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
attributes:
  check_mode:
    support: full
    description: Tells what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the difference of every file.
author: The Drover maintainers (@cspp)
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
"""

RETURN = r"""
changed_paths:
  description: Paths that were (in check mode would be) changed, in the order declared.
  type: list
  elements: str
  returned: always
"""

import contextlib
import grp
import os
import pwd
import shutil
import stat
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

HIDDEN = "(hidden)\n"


def ids(entry: dict[str, Any], check: bool) -> tuple[int, int] | None:
    """The numeric owner and group; None in check mode when a package that is to come brings them."""
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError:
        if check:
            return None
        raise


def look(path: str) -> tuple[str, str | None, os.stat_result | None]:
    """What is at ``path``: its kind, its text or link target, its status."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "absent", None, None
    if stat.S_ISLNK(status.st_mode):
        return "link", os.readlink(path), status
    if stat.S_ISDIR(status.st_mode):
        return "directory", None, status
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return "file", file.read(), status


def remove(path: str, kind: str) -> None:
    """Remove what is at ``path``, of the kind that :func:`look` told."""
    if kind == "directory":
        shutil.rmtree(path)
    elif kind != "absent":
        os.unlink(path)


def write(path: str, text: str, mode: int, owner: tuple[int, int]) -> None:
    """Replace ``path`` atomically."""
    handle, draft = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".drover-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def settle(entry: dict[str, Any], check: bool) -> dict[str, str] | None:
    """Make one entry true; the difference as Ansible shows it, or None when nothing differs."""
    path = entry["path"]
    kind, text, status = look(path)
    if entry["state"] == "absent":
        wanted_kind, wanted_text = "absent", None
    elif entry["link"] is not None:
        wanted_kind, wanted_text = "link", entry["link"]
    elif entry["state"] == "directory":
        wanted_kind, wanted_text = "directory", None
    else:
        wanted_kind, wanted_text = "file", entry["content"]
    mode = int(entry["mode"] or ("0755" if wanted_kind == "directory" else "0644"), 8)
    owner = ids(entry, check)

    same_thing = kind == wanted_kind and text == wanted_text
    same_rights = (
        wanted_kind in ("absent", "link")
        or status is None
        or (stat.S_IMODE(status.st_mode) == mode and owner == (status.st_uid, status.st_gid))
    )
    if same_thing and same_rights:
        return None

    def shown(what: str, value: str | None, now: os.stat_result | None, target: bool) -> str:
        if what == "file":
            rights = f"{mode:04o}" if target else f"{stat.S_IMODE(now.st_mode):04o}" if now else ""
            body = HIDDEN if entry["sensitive"] else value or ""
            return body if same_rights and not same_thing else f"# mode {rights}\n{body}"
        return {"absent": "", "directory": "directory\n", "link": f"link to {value}\n"}[what]

    difference = {
        "before_header": path,
        "after_header": path,
        "before": shown(kind, text, status, False),
        "after": shown(wanted_kind, wanted_text, status, True),
    }
    if check or owner is None:
        return difference
    if kind != wanted_kind and kind != "absent":
        remove(path, kind)
    if wanted_kind == "absent":
        return difference
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if wanted_kind == "link":
        draft = f"{path}.drover-new"
        with contextlib.suppress(FileNotFoundError):  # a run that was cut short may have left one
            os.unlink(draft)
        os.symlink(entry["link"], draft)
        os.replace(draft, path)
    elif wanted_kind == "directory":
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        os.chown(path, *owner)
    else:
        write(path, entry["content"], mode, owner)
    return difference


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
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
                },
            }
        },
        supports_check_mode=True,
        # Contents, secrets among them, are no business of the node's journal.
        no_log=True,
    )
    changed: list[str] = []
    differences: list[dict[str, str]] = []
    for entry in module.params["files"]:
        if entry["state"] == "file" and (entry["content"] is None) == (entry["link"] is None):
            module.fail_json(msg=f"{entry['path']}: give exactly one of content, src, template, tree or link.")
        try:
            difference = settle(entry, module.check_mode)
        except (OSError, KeyError) as error:
            module.fail_json(msg=f"{entry['path']}: {error}", changed_paths=changed)
        if difference:
            changed.append(entry["path"])
            differences.append(difference)
    module.exit_json(changed=bool(changed), changed_paths=changed, diff=differences)


if __name__ == "__main__":
    main()
