# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run's output on a screen."""

from __future__ import annotations

DOCUMENTATION = r"""
name: brief
type: stdout
short_description: A run's output that fits a screen
version_added: 0.5.0
description:
  - Prints what a play says as plain lines, the roles at work and the tasks that changed something with the time, and
    each error once, with its cause and its remedy, for all hosts that it is common to. At the end one line.
  - Where nobody looks at a screen (the output goes into a file or a pipe, or the variable E(CI) is set), and with
    C(-v), it is P(ansible.builtin.default#callback) and keeps everything.
  - With C(-e format=json) only what plays say is printed, so that a program can read it; errors go to standard error.
  - With C(-e watch=true) it draws what C(status.yml) hears, anew with each answer.
options:
  output:
    description: Whether to be brief.
    type: str
    choices:
      auto: On a screen, unless there is C(-v).
      brief: Always.
      full: Never.
    default: auto
    env:
      - name: DROVER_OUTPUT
    ini:
      - section: callback_brief
        key: output
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - C(stdout_callback = cspp.drover.brief) in C([defaults]) of ansible.cfg
author: The Drover maintainers (@cspp)
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Full

from ansible_collections.cspp.drover.plugins.plugin_utils.screen import Screen, error_of, words_of
from ansible_collections.cspp.drover.plugins.plugin_utils.watch import Watch

#: The actions by which a play speaks.
_SPEAKING = constants.add_internal_fqcns(("debug",))
#: Those by which it refuses something, in a sentence.
_JUDGING = constants.add_internal_fqcns(("assert", "fail"))


def is_brief(wish: str, verbosity: int, *, terminal: bool, ci: bool) -> bool:
    """Whether the short form is due."""
    return wish == "brief" or (wish == "auto" and terminal and not ci and verbosity == 0)


def _name(task: Any) -> str:
    """A task's name without its role's."""
    return str(task.name or task.get_name()).strip()


def _only_in_full(event: str) -> Callable[..., None]:
    """The method for an event of which the short form says nothing."""

    def method(self: CallbackModule, *arguments: Any) -> None:
        if not self._brief:
            getattr(super(CallbackModule, self), event)(*arguments)

    return method


class CallbackModule(Full):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "cspp.drover.brief"

    def __init__(self) -> None:
        super().__init__()
        self._brief = self._machine = False
        self._watch: Watch | None = None
        self._screen = Screen(self._line)

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        ci = os.environ.get("CI", "") not in ("", "0", "false")
        wish, verbosity = self.get_option("output"), self._display.verbosity
        self._brief = is_brief(wish, verbosity, terminal=sys.stdout.isatty(), ci=ci)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        extra = play.get_variable_manager().extra_vars
        self._machine = extra.get("format") == "json"
        if boolean(extra.get("watch", False), strict=False):
            self._watch = Watch(terminal=sys.stdout.isatty())
        self._brief = self._brief or self._machine or self._watch is not None
        if not self._brief:
            super().v2_playbook_on_play_start(play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if self._brief:
            self._begin(task)
        else:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        if self._brief:
            self._begin(task)
        else:
            super().v2_playbook_on_handler_task_start(task)

    def v2_playbook_on_cleanup_task_start(self, task: Any) -> None:
        if self._brief:
            self._begin(task)
        else:
            super().v2_playbook_on_cleanup_task_start(task)

    def v2_runner_on_ok(self, result: Any) -> None:
        if not self._brief:
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings(result.result)
        if isinstance(result.task, TaskInclude):
            return
        if result.task.action in _SPEAKING:
            # What the items of a loop say was told as it came.
            if "results" not in result.result:
                self._screen.said(words_of(result.result, machine=self._machine))
        elif result.result.get("changed"):
            self._screen.changed(self.host_label(result))

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if not self._brief:
            super().v2_runner_item_on_ok(result)
        elif result.task.action in _SPEAKING:
            self._screen.said(words_of(result.result, machine=self._machine))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not self._brief:
            super().v2_runner_on_failed(result, ignore_errors)
        elif not ignore_errors:
            self._handle_warnings(result.result)
            words = error_of(result.result)
            # Drover's own words, and a play's, stand by themselves; of others it has to be said what they are about.
            alone = result.task.action in _JUDGING or result.task.action.startswith("cspp.drover.")
            self._screen.failed(self.host_label(result), words if alone else f"{_name(result.task)}: {words}")

    def v2_runner_retry(self, result: Any) -> None:
        if self._watch is None:
            if not self._brief:
                super().v2_runner_retry(result)
        elif words := self._watch.heard(self.host_label(result), result.result):
            self._display.display(words)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._watch is not None:
            self._watch.silent(self.host_label(result))
        elif self._brief:
            forgiven = bool(result.task.ignore_unreachable)
            self._screen.failed(self.host_label(result), error_of(result.result), forgiven=forgiven)
        else:
            super().v2_runner_on_unreachable(result)

    v2_playbook_on_start = _only_in_full("v2_playbook_on_start")
    v2_playbook_on_include = _only_in_full("v2_playbook_on_include")
    v2_playbook_on_no_hosts_matched = _only_in_full("v2_playbook_on_no_hosts_matched")
    v2_playbook_on_no_hosts_remaining = _only_in_full("v2_playbook_on_no_hosts_remaining")
    v2_runner_on_skipped = _only_in_full("v2_runner_on_skipped")
    v2_runner_item_on_skipped = _only_in_full("v2_runner_item_on_skipped")
    v2_runner_item_on_failed = _only_in_full("v2_runner_item_on_failed")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._brief:
            super().v2_playbook_on_stats(stats)
            return
        self._screen.finish({host: host in stats.failures for host in sorted({*stats.failures, *stats.dark})})

    def v2_on_file_diff(self, result: Any) -> None:
        if not self._machine:
            super().v2_on_file_diff(result)

    def _begin(self, task: Any) -> None:
        self._screen.task(_name(task), task._role.get_name() if task._role else "")

    def _print_task_banner(self, task: Any) -> None:
        # Before a difference: the task's name, and no rule across the screen.
        if self._brief:
            self._last_task_banner = task._uuid
            self._display.display(f"\n{task.get_name().strip()}")
        else:
            super()._print_task_banner(task)

    def _line(self, words: str, kind: str) -> None:
        if self._machine and kind != "plain":
            # Progress is for people; an error has to be heard, but not by whoever reads the output.
            if kind == "failed":
                self._display.display(words, stderr=True)
            return
        colours = {
            "changed": constants.COLOR_CHANGED,
            "failed": constants.COLOR_ERROR,
            "progress": constants.COLOR_VERBOSE,
        }
        self._display.display(words, color=colours.get(kind), stderr=kind == "failed")
