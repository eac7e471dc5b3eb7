# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages of docs/ that are made from the code; `make docs` writes them, and a unit test compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))

from ansible_collections.cspp.drover.plugins.module_utils.declaration.key import BOTH, Key, Parts  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.declaration.keys import KEYS, children  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.declaration.schema import schema  # noqa: E402
from ansible_collections.cspp.drover.plugins.module_utils.preflight.reasons import CODES  # noqa: E402

_GUESTS = """\
# Guests: every key there is

Made from the code by `make docs`. Guests are declared in `guests`, a mapping from names to what each is. A guest's
name is also its host name: lower-case letters, digits and dashes, at most 63, a letter first. All guests are judged
as a whole before anything is touched, and each problem is told with its place in the YAML.

```yaml
# yaml-language-server: $schema=../../../../docs/guests.schema.json
guests:
  minecraft:
    kind: vm # uptime matters: a VM migrates live
    vcpus: 2
    memory: 2GiB
    disks: [{size: 20GiB, image: debian-13}]
    nics: [{bridge: br0, address: 192.0.2.20/24, gateway: 192.0.2.1}]
  website:
    kind: container # light; a second of downtime is fine
    memory: 256MiB
    rootfs: {image: debian-13}
    nics: [{bridge: br0, address: 192.0.2.21/24, gateway: 192.0.2.1}]
  retired: {state: absent}
```

## In your editor

The first line makes an editor that knows the YAML language server (VS Code with Red Hat's YAML extension; Neovim,
Emacs, Kate, Helix and others with `yaml-language-server`) complete keys, explain them and mark mistakes while you
type. The path is the one from your file to [guests.schema.json](guests.schema.json) in this checkout. For all
inventories at once, in VS Code's settings:

```json
{"yaml.schemas": {"docs/guests.schema.json": "inventory/*/group_vars/all/guests.yml"}}
```

An editor knows nothing of your bridges, pools and nodes; `ansible-playbook playbooks/guests.yml --check` does.

## How to read the tables

*Change* is what comes of a change while the guest runs, for a VM and for a container where they differ:

- **live**: it is carried out at once.
- **restart**: it waits for a restart, and every run says so until you allow one (`-e guests_allow_restart=NAME`).
- **refused**: the run ends before anything is touched, and says what to do instead.

Sizes are written `512MiB` or `20GiB`; `GB` is refused, since some mean 1000 by it and some 1024. Durations are
written `50ms`, `30s`, `10min`, `1h`. Put MAC and IPv6 addresses into quotes, and write numbers without a leading
zero: YAML makes other numbers of `52:54:00:12:34:56` and of `010`, before anybody else can see what you wrote.

"""


def reason_codes() -> str:
    """The page of reason codes: one row for each, in the order in which they are looked for."""
    rows = [f"| `{code}` | {severity} | {meaning} |" for code, (severity, meaning) in CODES.items()]
    return "\n".join(
        [
            "# Reason codes: what can speak against a move",
            "",
            "Made from the code by `make docs`. `preflight.yml` and `migrate.yml` give each with a message that says",
            "what is the case, and a remedy. What a node has against a move can be overruled: `-e ignore=CODE,CODE`.",
            "Codes stay what they are.",
            "",
            "| code | | when |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def guests() -> str:
    """The page of the guests model: a table for each mapping in it, a row for each key."""
    tables = [_table("A guest"), *(_table(key.type.title, key) for key in KEYS if isinstance(key.type, Parts))]
    return _GUESTS + "\n".join(line for table in tables for line in table)


def guests_schema() -> str:
    """The JSON Schema that editors check guests.yml by."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _table(title: str, owner: Key | None = None) -> Iterator[str]:
    keys = children(owner.inside if owner else "")
    yield f"## {title}"
    yield ""
    if owner:
        yield f"`{owner.path}: {owner.example}`"
        yield ""
    mixed = len({key.kinds for key in keys}) > 1
    yield f"| key |{' of |' if mixed else ''} is | default | change | |"
    yield f"|---|{'---|' if mixed else ''}---|---|---|---|"
    yield from (_row(key, mixed=mixed) for key in keys)
    yield ""


def _row(key: Key, *, mixed: bool) -> str:
    kinds = "" if key.kinds == BOTH else {"vm": "VMs", "container": "containers"}[key.kinds[0]]
    of = f" {kinds} |" if mixed else ""
    default = "**required**" if key.required else key.default_text
    change = " / ".join(dict.fromkeys(key.how(kind) for kind in key.kinds))
    change += f": {key.change_words}" if key.change_words else ""
    if isinstance(key.type, Parts):
        more = f"[{key.type.title}](#{key.type.title.lower().replace(' ', '-')})"
    else:
        more = f"`{key.name}: {key.example}`"
    return f"| `{key.name}` |{of} {key.type.name} | {default} | {change} | {key.help} {more} |"


#: What is made, by the place where it stands.
PAGES: Mapping[Path, Callable[[], str]] = {
    ROOT / "docs" / "reason-codes.md": reason_codes,
    ROOT / "docs" / "guests.md": guests,
    ROOT / "docs" / "guests.schema.json": guests_schema,
}


if __name__ == "__main__":
    for page, made in PAGES.items():
        page.write_text(made(), encoding="utf-8")
