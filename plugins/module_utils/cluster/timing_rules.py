# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a cluster's timing holds together: inequalities between what corosync, Pacemaker, fencing devices and the
agents wait for, each with what happens where it does not hold, and values with which it would.

Sources: corosync.conf(5); Pacemaker Explained, "Fencing" and "Cluster-Wide Configuration"; sbd(8); libknet's timers;
and the agents' own limits (time_limits.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import time_limits
from .timing import LEAST_DEVICE, LEAST_PING, Timing
from .timing_site import AGENT, Device, Problem, Site, seconds

__all__ = ["SHOT", "Device", "Problem", "Site", "problems", "seconds"]

#: Seconds from an order to the cut that a power controller may take, with what two nodes differ in noticing.
SHOT = 5
#: The least that a token may take, and what each node beyond two adds at least.
_LEAST_TOKEN, _LEAST_COEFFICIENT = 500, 25
#: Nodes beyond which the token takes longer.
_TWO = 2
#: In what time corosync expects the other nodes' joins: the least consensus of two nodes is twice that.
_JOIN = 50
#: Seconds by which a monitor may be late.
_LATE = 5
#: Seconds between looks at one guest, at least.
_LEAST_MONITOR = 2
#: Seconds that a look at a fencing device may take (its operation's timeout in fencing.py).
_DEVICE_MONITOR = 30

Found = Iterator[Problem]


def problems(site: Site) -> list[Problem]:
    """What does not hold together; empty when all does. Raises InvalidValue for a duration that is none."""
    return [problem for rule in _RULES for problem in rule(site)]


def _token(site: Site) -> Found:
    now = site.timing
    if now.token < _LEAST_TOKEN:
        yield Problem(
            "token_low",
            f"token >= {_LEAST_TOKEN} ms",
            f"{now.token} < {_LEAST_TOKEN}",
            "a machine or a switch that is busy for a moment would be taken for a dead node, and lose its power",
            (("cluster_token", str(_LEAST_TOKEN)),),
        )
    if now.nodes > _TWO and now.token_coefficient < _LEAST_COEFFICIENT:
        yield Problem(
            "coefficient_low",
            f"token_coefficient >= {_LEAST_COEFFICIENT} ms",
            f"{now.token_coefficient} < {_LEAST_COEFFICIENT}, at {now.nodes} nodes",
            "the token goes from node to node, and each that is added needs time of its own",
            (("cluster_token_coefficient", str(_LEAST_COEFFICIENT)),),
        )


def _consensus(site: Site) -> Found:
    now = site.timing
    least = 2 * _JOIN if now.nodes == _TWO else -(-now.real_token * 12 // 10)
    if now.consensus >= least:
        return
    token = now.consensus * 10 // 12 - (now.real_token - now.token)
    cures = [("cluster_consensus", str(least))]
    if token >= _LEAST_TOKEN:
        cures.append(("cluster_token", str(token)))
    yield Problem(
        "consensus_short",
        f"consensus >= {least} ms" if now.nodes == _TWO else "consensus >= 1.2 * token",
        f"{now.consensus} < {least}" + ("" if now.nodes == _TWO else f" at a token of {now.real_token}"),
        "nodes would give each other up while they are still agreeing on who is there",
        tuple(cures),
    )


def _links(site: Site) -> Found:
    now = site.timing
    if now.knet_ping_interval < LEAST_PING:
        yield Problem(
            "ping_often",
            f"knet_ping_interval >= {LEAST_PING} ms",
            f"{now.knet_ping_interval} < {LEAST_PING}",
            "knet looks no more often, and would miss answers that it counts on",
            (("cluster_knet_ping_interval", str(LEAST_PING)),),
        )
    if now.knet_ping_timeout < 2 * now.knet_ping_interval:
        cures = [("cluster_knet_ping_timeout", str(2 * now.knet_ping_interval))]
        if now.knet_ping_timeout >= 2 * LEAST_PING:
            cures.append(("cluster_knet_ping_interval", str(now.knet_ping_timeout // 2)))
        yield Problem(
            "one_ping_decides",
            "knet_ping_timeout >= 2 * knet_ping_interval",
            f"{now.knet_ping_timeout} < {2 * now.knet_ping_interval}",
            "a single ping that is lost would take a link down",
            tuple(cures),
        )
    late = now.knet_ping_timeout + now.retransmit
    if now.links > 1 and late > now.real_token:
        # 1 - 1/4.2 of the token is left for the timeout.
        token = next(n for n in range(now.token, 100_000) if _room(now, n) >= now.knet_ping_timeout)
        cures = [("cluster_token", str(token))]
        if _room(now, now.token) >= 2 * now.knet_ping_interval:
            cures.append(("cluster_knet_ping_timeout", str(_room(now, now.token))))
        yield Problem(
            "second_link_late",
            "token >= knet_ping_timeout + token / 4.2",
            f"{now.real_token} < {now.knet_ping_timeout} + {now.retransmit}",
            "the second link would take over only when the token is lost already",
            tuple(cures),
        )


def _room(now: Timing, token: int) -> int:
    """The longest knet_ping_timeout with which a second link takes over in time, at this token."""
    real = token + now.real_token - now.token
    return real - int(real / 4.2)


def _loss(site: Site) -> Found:
    """Who waits for a lost node has to wait until it is fenced: an agent that asks it, and Pacemaker itself."""
    now = site.timing
    yield from _device_loss(site)
    cut = SHOT + max((device.seconds("power_wait", AGENT["power_wait"]) for device in site.devices), default=0.0)
    if now.loss / 1000 + cut > time_limits.ASKING:
        waits = [d for d in site.devices if now.loss / 1000 + SHOT + d.seconds("power_wait") > time_limits.ASKING]
        cures = [_token_for(now, time_limits.ASKING - cut)]
        if waits and now.loss / 1000 + SHOT < time_limits.ASKING:
            least = int(time_limits.ASKING - SHOT - now.loss / 1000)
            cures = [(f"fencing_bmc of {device.node}, options.power_wait", str(least)) for device in waits]
        yield Problem(
            "asking_short",
            f"{time_limits.ASKING} s, in which an agent asks other nodes for a guest, >= token + consensus + fencing",
            f"{time_limits.ASKING} < {now.real_token / 1000:g} + {now.consensus / 1000:g} + {cut:g}",
            "guests would not start, because a node that is just being lost does not say that they do not run there",
            tuple(cures),
        )
    delay = site.option("cluster-delay")
    if now.loss / 1000 > delay:
        yield Problem(
            "delay_short",
            "cluster-delay >= token + consensus",
            f"{delay:g} s < {now.loss / 1000:g} s",
            "Pacemaker would take what a node does for failed before it knows that the node is lost",
            (("cluster_properties.cluster-delay", f"{_up(now.loss / 1000)}s"), _token_for(now, delay)),
        )


def _device_loss(site: Site) -> Found:
    """The same where a quorum device has to notice the loss first."""
    now = site.timing
    if not site.arbiter:
        return
    cut = SHOT + max((device.seconds("power_wait", AGENT["power_wait"]) for device in site.devices), default=0.0)
    if now.loss <= now.device_loss and now.device_loss / 1000 + cut > time_limits.ASKING:
        longest = int((time_limits.ASKING - cut) * 1000) * 10 // 12
        yield Problem(
            "device_late",
            f"{time_limits.ASKING} s, in which an agent asks other nodes, >= 1.2 * qdevice timeout + fencing",
            f"{time_limits.ASKING} < {now.device_loss / 1000:g} + {cut:g}",
            "guests would not start, because the quorum device takes a lost node for one that is there",
            (("cluster_qdevice_timeout", str(max(LEAST_DEVICE, longest))),),
        )


def _token_for(now: Timing, limit: float) -> tuple[str, str]:
    """A token, or what each node adds to it, with which it and consensus take no longer than so many seconds."""
    real, more = int(limit * 1000 / 2.2), now.real_token - now.token
    if real - more >= _LEAST_TOKEN or now.nodes <= _TWO:
        return "cluster_token", str(max(_LEAST_TOKEN, real - more))
    return "cluster_token_coefficient", str((real - now.token) // (now.nodes - 2))


def _monitors(site: Site) -> Found:
    interval = site.timing.monitor_interval
    longest = (time_limits.BEATS - _LATE) // 2
    if interval > longest:
        yield Problem(
            "beats_missed",
            f"{time_limits.BEATS} s, in which a lease is watched, >= 2 * monitor_interval + {_LATE} s",
            f"{time_limits.BEATS} < {2 * interval + _LATE}",
            "a container's lease that is in use would be taken for a dead node's, and the container run twice",
            (("cluster_monitor_interval", str(longest)),),
        )
    if interval < _LEAST_MONITOR:
        yield Problem(
            "monitors_often",
            f"monitor_interval >= {_LEAST_MONITOR} s",
            f"{interval} < {_LEAST_MONITOR}",
            "a node with many guests would do nothing but look at them",
            (("cluster_monitor_interval", str(_LEAST_MONITOR)),),
        )
    cycle = 2 * (time_limits.START + time_limits.MONITOR + interval)
    if site.failure_timeout < cycle:
        yield Problem(
            "failures_forgotten",
            "failure-timeout >= 2 * (start + monitor + monitor_interval)",
            f"{site.failure_timeout:g} s < {cycle} s",
            "failures of a guest would be forgotten before they are counted together, and it be restarted for ever",
            (("cluster_failure_timeout", f"{cycle}s"),),
        )
    recheck = site.option("cluster-recheck-interval")
    if recheck > site.failure_timeout:
        yield Problem(
            "recheck_late",
            "cluster-recheck-interval <= failure-timeout",
            f"{recheck:g} s > {site.failure_timeout:g} s",
            "guests would wait on although their failures are forgotten",
            (
                ("cluster_properties.cluster-recheck-interval", f"{int(site.failure_timeout)}s"),
                ("cluster_failure_timeout", f"{_up(recheck)}s"),
            ),
        )


def _devices(site: Site) -> Found:
    common = site.option("stonith-timeout")
    for device in site.devices:
        of = f"fencing_bmc of {device.node}, options"
        for option in ("pcmk_off_timeout", "pcmk_reboot_timeout"):
            limit = device.seconds(option, common)
            if limit >= device.duration:
                continue
            own = option in device.options
            name = f"{of}.{option}" if own else "cluster_properties.stonith-timeout"
            yield Problem(
                "off_short",
                f"{option if own else 'stonith-timeout'} >= {' + '.join(AGENT)}",
                f"{limit:g} s < {device.duration:g} s, for {device.node}",
                "Pacemaker would give fencing up that is about to work",
                ((name, f"{_up(device.duration)}s"),),
            )
            if not own:
                break
        asking = device.seconds("login_timeout", AGENT["login_timeout"])
        asking += device.seconds("shell_timeout", AGENT["shell_timeout"])
        if asking > _DEVICE_MONITOR:
            other = device.seconds("shell_timeout", AGENT["shell_timeout"])
            yield Problem(
                "login_long",
                f"{_DEVICE_MONITOR} s, the monitor of a fencing device, >= login_timeout + shell_timeout",
                f"{_DEVICE_MONITOR} < {asking:g}, for {device.node}",
                "a power controller that answers late would count as one that does not",
                ((f"{of}.login_timeout", str(max(1, int(_DEVICE_MONITOR - other)))),),
            )


def _two(site: Site) -> Found:
    """Of two nodes that lose sight of each other, one shoots well before the other."""
    if site.timing.nodes != _TWO or site.arbiter or len(site.devices) != _TWO:
        return
    first, second = sorted(site.devices, key=lambda device: device.node)
    # Which Drover gives to the first, unless the site says otherwise.
    delays = {first.node: first.seconds("pcmk_delay_base", SHOT), second.node: second.seconds("pcmk_delay_base", 0)}
    most = {d.node: max(delays[d.node], d.seconds("pcmk_delay_max")) for d in (first, second)}
    ahead, behind = sorted((first, second), key=lambda device: delays[device.node])
    lead = delays[behind.node] - most[ahead.node]
    if lead < SHOT:
        yield Problem(
            "both_shoot",
            f"pcmk_delay_base of one node >= the longest delay of the other + {SHOT} s",
            f"{delays[behind.node]:g} < {most[ahead.node]:g} + {SHOT}",
            "two nodes that lose sight of each other would switch each other off",
            (
                (
                    f"fencing_bmc of {behind.node}, options.pcmk_delay_base",
                    f"{_up(most[ahead.node] + SHOT)}s",
                ),
            ),
        )
    longest = max(most.values())
    priority = seconds(
        "cluster_properties.priority-fencing-delay", site.properties.get("priority-fencing-delay", 2 * SHOT)
    )
    if priority < 2 * longest:
        yield Problem(
            "priority_overruled",
            "priority-fencing-delay >= 2 * the longest pcmk_delay_base or pcmk_delay_max",
            f"{priority:g} s < {2 * longest:g} s",
            "the node with the dearer guests could be the one that is switched off",
            (("cluster_properties.priority-fencing-delay", f"{_up(2 * longest)}s"),),
        )


def _arbiter(site: Site) -> Found:
    """A quorum device hears often enough of the nodes, and the members wait for its answer."""
    now = site.timing
    if not site.arbiter:
        return
    if now.qdevice_timeout < LEAST_DEVICE:
        yield Problem(
            "device_hasty",
            f"qdevice timeout >= {LEAST_DEVICE} ms",
            f"{now.qdevice_timeout} < {LEAST_DEVICE}",
            "0.8 of it is between two heartbeats, and the device takes none more often than once a second",
            (("cluster_qdevice_timeout", str(LEAST_DEVICE)),),
        )
    least = 2 * now.device_loss
    if now.qdevice_sync_timeout < least:
        cures = [("cluster_qdevice_sync_timeout", str(least))]
        shorter = now.qdevice_sync_timeout * 10 // 24
        if shorter >= LEAST_DEVICE:
            cures.append(("cluster_qdevice_timeout", str(shorter)))
        yield Problem(
            "device_unheard",
            "qdevice sync_timeout >= 2 * 1.2 * qdevice timeout",
            f"{now.qdevice_sync_timeout} < {least}",
            "survivors would give up waiting for the device's vote before it knows who is left, and stop their guests",
            tuple(cures),
        )


def _watchdog(site: Site) -> Found:
    counted = site.option("stonith-watchdog-timeout")
    if site.watchdog is None:
        if counted:
            yield Problem(
                "watchdog_missing",
                "stonith-watchdog-timeout = 0 without a watchdog",
                f"{counted:g} s",
                "a lost node would count as off after that time, and its guests start a second time",
                (("cluster_properties.stonith-watchdog-timeout", "0"),),
            )
        return
    if counted and counted < 2 * site.watchdog:
        yield Problem(
            "watchdog_counted_early",
            "stonith-watchdog-timeout >= 2 * the watchdog's timeout",
            f"{counted:g} s < {2 * site.watchdog:g} s",
            "a lost node would count as off before its watchdog has bitten",
            (("cluster_properties.stonith-watchdog-timeout", f"{_up(2 * site.watchdog)}s"),),
        )
    loss = site.timing.loss / 1000
    if site.watchdog < loss + 1:
        yield Problem(
            "watchdog_hasty",
            "the watchdog's timeout >= token + consensus + 1 s",
            f"{site.watchdog:g} s < {loss + 1:g} s",
            "nodes would reset themselves while the members are still agreeing on who is there",
            (("fencing_watchdog_timeout", str(_up(loss + 1))), _token_for(site.timing, site.watchdog - 1)),
        )


def _up(value: float) -> int:
    return int(-(-value // 1))


_RULES: tuple[Callable[[Site], Found], ...] = (
    _token,
    _consensus,
    _links,
    _loss,
    _monitors,
    _devices,
    _two,
    _arbiter,
    _watchdog,
)
