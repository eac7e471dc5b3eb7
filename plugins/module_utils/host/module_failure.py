# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Drover's Ansible modules fail: the one place where an exception becomes ``fail_json``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..core.errors import DroverError, in_words

__all__ = ["fail_on_error"]


@contextmanager
def fail_on_error(
    module: AnsibleModule,
    *besides: type[Exception],
    what: str = "",
    remedy: str | Callable[[], str] = "",
    known: Callable[[], Mapping[str, Any]] = dict,
) -> Iterator[None]:
    """A context in which a DroverError, or one of ``besides``, ends the module as a failure, in
    :func:`~..core.errors.in_words`. Other exceptions are mistakes in the code and pass with their traceback.

    ``known`` gives what else the result says; it is asked only when there is a failure, and so is a ``remedy`` that
    depends on how far the module got.
    """
    failures: tuple[type[Exception], ...] = (DroverError, *besides)
    try:
        yield
    except failures as error:
        advice = remedy if isinstance(remedy, str) else remedy()
        module.fail_json(msg=in_words(error, what=what, remedy=advice), **known())
