# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rough answers to Pacemaker: given in time, and only then."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import fallback
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Code
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline


def test_a_rough_answer_is_given_while_it_is_waited_for_and_not_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    with fallback.answer_before(Deadline(0.05), 0.0, lambda: Code.NOT_RUNNING):
        pass
    time.sleep(0.1)
    assert ends == []
    with fallback.answer_before(Deadline(0.05), 0.0, lambda: Code.NOT_RUNNING):
        time.sleep(0.2)
    assert ends == [Code.NOT_RUNNING]
