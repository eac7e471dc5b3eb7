# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of cspp.drover.guest_migrate: progress while a guest moves, what a client here sees meanwhile,
and whether that is what was asked for."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.common.validation import check_type_dict

from ansible_collections.cspp.drover.plugins.module_utils.measure import probe, slo
from ansible_collections.cspp.drover.plugins.module_utils.reporting import moves
from ansible_collections.cspp.drover.plugins.plugin_utils.progress import Watched


class ActionModule(Watched):
    """See Watched."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returned, what was probed, and a failure when it is not what was asked for."""
        arguments, task_vars = self._task.args, task_vars or {}
        try:
            target = probe.parse(str(arguments["probe"])) if arguments.get("probe") else None
            asked = slo.read(check_type_dict(arguments.get("slo") or {}), probed=target is not None)
        except (TypeError, ValueError) as error:
            return {"failed": True, "msg": str(error)}
        if target is None or arguments.get("probe_from") or self._task.check_mode:
            result = super().run(tmp, task_vars)
        else:
            result = self._probed(target, tmp, task_vars)
        if not (self._task.check_mode or result.get("failed") or result.get("from") == result.get("to")):
            _judge(result, asked)
        return result

    def arguments(self) -> dict[str, Any]:
        """Without what is seen to here: the module probes only if a node is to, and judges nothing."""
        arguments = dict(self._task.args)
        here = {"slo"} if arguments.get("probe_from") else {"slo", "probe"}
        return {key: value for key, value in arguments.items() if key not in here}

    def _probed(self, target: probe.Target, tmp: str | None, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module while this machine probes."""
        try:
            if not target.host:
                target = target.at(self._addresses(task_vars))
            client = probe.Probe(target)
            client.start()
        except probe.ProbeError as error:
            remedy = "If this machine cannot reach the guest, have a node probe it: probe_from"
            return {"failed": True, "msg": f"{error}, so nothing was moved. {remedy}"}
        try:
            result = super().run(tmp, task_vars)
            time.sleep(probe.AFTERWARDS)
            result.update(probe.told(client.stop(), "the controller"))
        except probe.ProbeError as error:
            result["warnings"] = [*result.get("warnings", []), str(error)]
        finally:
            client.close()
        return result

    def _addresses(self, task_vars: dict[str, Any]) -> list[str]:
        """The guest's addresses. Asked beforehand: the probe has to have its answers before the job begins."""
        found = self._execute_module("cspp.drover.cluster_status_info", {}, task_vars=task_vars)
        guests = found.get("guests") or []
        return next((guest["addresses"] for guest in guests if guest["name"] == self._task.args.get("guest")), [])


def _judge(result: dict[str, Any], asked: dict[str, int]) -> None:
    """Say how it went, and fail a move that was not what was asked for."""
    record = result.get("journal") or {}
    result["outcome"] = moves.outcome({**result, "seconds": record.get("seconds", result.get("seconds"))})
    breaches = slo.breaches(asked, result)
    if breaches:
        held_up = (result.get("probe") or {}).get("delay_ms") or 0
        doubt = f" (the prober itself was held up for up to {held_up:g} ms)" if held_up >= 10 else ""
        result["failed"] = True
        result["msg"] = f"{result['outcome']}. That is not what was asked for: {'; '.join(breaches)}{doubt}"
