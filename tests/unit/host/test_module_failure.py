# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module's failure says, and what is no failure but a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error


class Module:
    """As much of an AnsibleModule as it takes to fail."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}

    def fail_json(self, **said: Any) -> None:
        self.said = said
        raise SystemExit(1)


def test_an_error_fails_the_module_in_words() -> None:
    module = Module()
    how: dict[str, Any] = {"what": "No disk", "remedy": "Buy one.", "known": lambda: {"changed_paths": ["/a"]}}
    with pytest.raises(SystemExit), fail_on_error(module, **how):
        raise CommandError("mkfs failed")
    assert module.said == {"msg": "No disk: mkfs failed. Buy one.", "changed_paths": ["/a"]}


def test_a_remedy_tells_how_things_are_when_the_module_fails() -> None:
    module, steps = Module(), ["first"]
    with pytest.raises(SystemExit), fail_on_error(module, remedy=lambda: f"The {steps[-1]} step is made."):
        steps.append("second")
        raise CommandError("no third")
    assert module.said == {"msg": "no third. The second step is made."}


@pytest.mark.parametrize("error", [TypeError, KeyError, ValueError, OSError])
def test_what_was_not_foreseen_keeps_its_traceback(error: type[Exception]) -> None:
    module = Module()
    with pytest.raises(error), fail_on_error(module):
        raise error("what")
    assert module.said == {}


def test_other_exceptions_count_when_named() -> None:
    module = Module()
    with pytest.raises(SystemExit), fail_on_error(module, OSError):
        raise FileNotFoundError(2, "No such file", "/a")
    assert module.said == {"msg": "[Errno 2] No such file: '/a'"}


def test_without_an_error_nothing_is_asked() -> None:
    def known() -> dict[str, Any]:
        raise AssertionError("nobody wants to know")

    with fail_on_error(Module(), known=known):
        pass
