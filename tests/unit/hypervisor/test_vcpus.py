# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which processors a VM uses, by the times of QEMU's threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vcpus import in_use

RUN, IDLE = "2000000 3 9", "150000 3 2"


@pytest.mark.parametrize(
    ("threads", "used"),
    [
        ({"qemu-system-x86": RUN, "CPU 0/KVM": RUN, "CPU 1/KVM": RUN}, 2),
        ({"CPU 0/KVM": RUN, "CPU 1/KVM": IDLE, "IO mon_iothread": RUN}, 1),
        ({"CPU 0/TCG": RUN}, 1),
        # Names that somebody else gave them say nothing.
        ({"qemu-system-x86": RUN}, None),
        ({"CPU 0/KVM": "?"}, None),
        ({"CPU 0/KVM": ""}, None),
    ],
)
def test_processors_that_ran(tmp_path: Path, threads: dict[str, str], used: int | None) -> None:
    for number, (name, times) in enumerate(threads.items()):
        thread = tmp_path / "7" / "task" / str(number)
        thread.mkdir(parents=True)
        (thread / "comm").write_text(f"{name}\n")
        (thread / "schedstat").write_text(f"{times}\n")
    assert in_use(7, tmp_path) == used


def test_a_process_that_is_gone_uses_nothing_that_anybody_knows(tmp_path: Path) -> None:
    assert in_use(7, tmp_path) is None
