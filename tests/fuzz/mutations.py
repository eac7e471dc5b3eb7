# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Declarations made from valid ones by changes of all sorts: some still valid, some sloppy, some hostile.

The keys come from the table of the model, so that a new one is tried as well.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import yaml

from ansible_collections.cspp.drover.plugins.module_utils.declaration.key import Key, Parts
from ansible_collections.cspp.drover.plugins.module_utils.declaration.keys import KEYS

__all__ = ["declaration"]

Declared = dict[Any, Any]

_SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you@laptop"
_VALID = f"""
game:
  kind: vm
  vcpus: 2
  max_vcpus: 4
  memory: 2GiB
  max_memory: 4GiB
  cpu: EPYC-Rome
  description: "The <game> & its 'server'"
  disks: [{{size: 20GiB, image: debian-13}}, {{size: 5GiB, pool: own, target: vdc}}]
  nics:
    - {{bridge: br0, address: 10.0.0.20/24, gateway: 10.0.0.1, mac: "52:54:00:12:34:56"}}
    - {{bridge: br1, addresses: [192.0.2.20/32, "2001:db8::20/64"], gateways: [198.51.100.1, "fe80::1"], mtu: 1400,
       vlan: 42}}
  ha: {{priority: 100}}
  placement: {{prefer: [node1, node2], apart_from: [web], together_with: [tiny]}}
  migration: {{max_downtime: 50ms, timeout: 10min, auto_converge: false}}
  ssh_keys: ["{_SSH_KEY}"]
  nameservers: [192.0.2.53, "2001:db8::53"]
  stop_timeout: 90s
  firewall:
    in: [{{protocol: tcp, ports: [443, 8000-8100], from: [192.0.2.0/24, "2001:db8::/32", office]}}, {{protocol: icmp}}]
    out: [{{protocol: udp, port: 53, to: 192.0.2.53}}, {{protocol: tcp}}]
    groups: [web]
web:
  kind: container
  memory: 256MiB
  rootfs: {{image: debian-13, size: 4GiB, pool: own}}
  nics: [{{bridge: br0, address: 10.0.0.21/24, gateway: 10.0.0.1}}]
  migration: {{bandwidth: 64MiB}}
  ha: false
tiny: {{kind: vm, image: tiny, memory: 192MiB, nics: [{{bridge: br0}}]}}
plain: {{kind: container, memory: 64MiB, rootfs: {{image: debian-13}}, privileged: true, ha: false}}
old: {{state: absent, remove_disks: true}}
"""

_SOUND = yaml.safe_load(_VALID)
_EXAMPLES = {key.path: yaml.safe_load(key.example) for key in KEYS}

#: Values that are somewhere right, or nearly.
_LIKELY: tuple[Any, ...] = (
    *(True, False, None, 0, 1, 2, 8, 25, 26, 255, 256, 1024, 1500, 4094, 65536, 1 << 30, "1", "007", "1GiB", "512MiB"),
    *("1.5GiB", "2 G", "10.0.0.20/24", "10.0.0.22/32", "10.0.0.1", "fe80::1", "fe80::2/64", "2001:db8::7/128"),
    *("::ffff:10.0.0.9/120", "192.0.2.1/255.255.255.0", "52:54:00:AB:CD:EF", "52:54:01:12:34:56", "br0", "br1", "vm"),
    *(
        "container",
        "node1",
        "game",
        "web",
        "tiny",
        "debian-13",
        "shared",
        "own",
        "never",
        "fallback",
        "60s",
        "1h",
        "all",
    ),
    *([], {}, ["node1", "node1"], ["web", "web"], ["tiny"], ["10.0.0.20/24"], [{"bridge": "br0"}], [{"size": "1GiB"}]),
)
_HOSTILE: tuple[Any, ...] = (
    *(
        "",
        " ",
        "\n",
        "\x00",
        "\x1b[2J",
        "\ud800",
        "\u2028",
        "\u0663",
        "\U0001f4a3",
        "]]>",
        "<x/>",
        "&amp;",
        '"',
        "'",
        "\\",
    ),
    *(
        "%",
        "%x\nlxc.hook.pre-start = /bin/sh",
        "\n  evil: yes",
        "{{ 1 }}",
        "../../etc",
        "; id",
        "$(id)",
        "#",
        ": ",
        "- ",
    ),
    *("x" * 5000, 9**5000, -1, -(10**30), 1.5, float("nan"), float("inf"), [[]], [None], {None: None}, {"a\nb": 1}),
)
_TEXTS = tuple(value for value in _HOSTILE if isinstance(value, str))
#: What names of objects in the cluster end with.
_ENDINGS = ("-utilization", "-utilization-memory", "-monitor-10s", "-start-0s", "-rule", "-rule-node", "-meta", "-0")


def declaration(random: Random) -> Declared:
    """A declaration, the same for the same state of ``random``."""
    declared: Declared = copy.deepcopy(_SOUND)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        random.choice(_MUTATIONS)(declared, random)
    return declared


def _set(declared: Declared, random: Random) -> None:
    """A key of the model is given some value."""
    guest = _guest(declared, random)
    if guest is None:
        return
    key = random.choice(KEYS)
    for place in _places(guest, key, random):
        place[key.name] = _value(key, random)


def _places(guest: Declared, key: Key, random: Random) -> Iterator[Declared]:
    """The mappings that a key may stand in; made where they are missing, every other time."""
    places = [guest]
    for step in key.parent.split(".") if key.parent else ():
        found: list[Declared] = []
        for place in places:
            inner = place.get(step.removesuffix("[]"))
            if inner is None and random.random() < 0.5:
                inner = [{}] if step.endswith("[]") else {}
                place[step.removesuffix("[]")] = inner
            found += [each for each in (inner if isinstance(inner, list) else [inner]) if isinstance(each, dict)]
        places = found
    yield from random.sample(places, min(len(places), 1)) if random.random() < 0.8 else places


def _value(key: Key, random: Random) -> Any:
    kind = random.random()
    if kind < 0.3:
        return copy.deepcopy(_EXAMPLES[key.path])
    if kind < 0.7 or isinstance(key.type, Parts):
        return copy.deepcopy(random.choice(_LIKELY))
    return copy.deepcopy(random.choice(_HOSTILE))


def _splice(declared: Declared, random: Random) -> None:
    """Something hostile gets into a text, or a text is cut, or a number is moved."""
    places = list(_leaves(declared))
    if not places:
        return
    holder, at = random.choice(places)
    value = holder[at]
    if isinstance(value, bool) or value is None:
        holder[at] = random.choice(_LIKELY)
    elif isinstance(value, (int, float)):
        near = (value + 1, value - 1, -value, value * 1000, str(value) if abs(value) < 1e18 else 0)
        holder[at] = random.choice(near)
    else:
        text = str(value)
        where = random.randrange(len(text) + 1)
        holder[at] = random.choice(
            (
                text[:where] + str(random.choice(_TEXTS)) + text[where:],
                text[:where],
                text[where:],
                text[:where] + random.choice("0123456789abcdef:./-% ") + text[where + 1 :],
                text * 2,
                text.upper(),
                [value],
            )
        )


def _leaves(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every plain value in a declaration, as the mapping or list that holds it, and where."""
    for at, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, (dict, list)):
            yield from _leaves(value)
        else:
            yield node, at


def _twin(declared: Declared, random: Random) -> None:
    """A guest is declared once more, under a name that is another's with an ending, or is hostile."""
    name = random.choice(list(declared))
    new = random.choice(
        (
            f"{name}{random.choice(_ENDINGS)}",
            f"{str(name)[:8]}-{random.randrange(10)}",
            f"{name}{random.choice(_TEXTS)}",
            random.choice(("all", "localhost", "node1", "drover-x", 5, None, True, "a" * 64)),
        )
    )
    twin = copy.deepcopy(declared[name])
    if isinstance(twin, dict) and random.random() < 0.7:
        for nic in twin.get("nics") or () if isinstance(twin.get("nics"), list) else ():
            for key in ("mac", "address", "addresses", "gateway", "gateways"):
                if isinstance(nic, dict):
                    nic.pop(key, None)
    declared[new] = twin


def _drop(declared: Declared, random: Random) -> None:
    guest = _guest(declared, random)
    if guest:
        guest.pop(random.choice(list(guest)))


def _rename(declared: Declared, random: Random) -> None:
    """A key is misspelt."""
    guest = _guest(declared, random)
    if guest:
        key = random.choice(list(guest))
        text = str(key)
        guest[random.choice((text[:-1], f"{text}s", text.upper(), f"{text}\n", 5, None))] = guest.pop(key)


def _repeat(declared: Declared, random: Random) -> None:
    """What is in a list is there many times."""
    guest = _guest(declared, random)
    lists = [key for key, value in (guest or {}).items() if isinstance(value, list) and value]
    if guest and lists:
        key = random.choice(lists)
        guest[key] = [copy.deepcopy(entry) for entry in guest[key] * random.choice((2, 3, 9, 30))][:30]
        for at, entry in enumerate(guest[key]):
            if isinstance(entry, dict) and random.random() < 0.8:
                for name in ("target", "mac", "address", "addresses", "gateway", "gateways"):
                    if at:
                        entry.pop(name, None)


def _guest(declared: Declared, random: Random) -> Declared | None:
    guests = [guest for guest in declared.values() if isinstance(guest, dict)]
    return random.choice(guests) if guests else None


_MUTATIONS: tuple[Callable[[Declared, Random], None], ...] = (
    *(_set, _set, _set, _splice, _splice, _twin, _drop, _rename, _repeat),
)
