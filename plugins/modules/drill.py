#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin drill, which has no part on nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drill
short_description: Break something on purpose, and tell what clients saw of it
version_added: 0.4.0
description:
  - Looks whether the cluster is well, tells what will happen, breaks one thing, and watches from outside when each
    guest answers again, whether one ever runs twice, and whether anything that was acknowledged is lost. Then it mends
    what it broke and waits until the cluster is at rest.
  - On a cluster that is not well it refuses, and touches nothing.
  - Runs on the controller, which has to reach nodes and guests. In a lab it has means that nobody has of servers.
options:
  drill:
    description: What to break, such as V(power). An unknown one fails with the names of all.
    type: str
    required: true
  variant:
    description: In which way, where there are several. The first one if left out.
    type: str
    default: ""
  node:
    description: The node that is struck. The one with most guests if left out.
    type: str
    default: ""
  guest:
    description: The guest that is struck, by the drills that strike one.
    type: str
    default: ""
  lab:
    description: The folder of the lab that the nodes are of. Left out for servers.
    type: path
  really:
    description: Whether to do it where the nodes are no lab.
    type: bool
    default: false
  ledgers:
    description: Containers that are to keep a ledger meanwhile. They have to run systemd.
    type: list
    elements: str
    default: []
  program:
    description: The program that keeps a ledger.
    type: str
    default: ""
  ports:
    description: The TCP port at which a guest is asked, by name; where left out, the usual ones are tried.
    type: dict
    default: {}
  results:
    description: A file to which the outcome is added, a line of JSON for each drill.
    type: path
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Tells what would be broken, and breaks nothing.
"""

EXAMPLES = r"""
- name: What would a power cut do?
  cspp.drover.drill:
    drill: power
    node: node2
  check_mode: true
  run_once: true
"""

RETURN = r"""
plan:
  description: What happens, a sentence each.
  type: list
  elements: str
  returned: unless refused
lines:
  description: The outcome as lines for a terminal.
  type: list
  elements: str
  returned: unless refused
outcome:
  description: The outcome, with C(guests), each with its times in seconds from the strike.
  type: dict
  returned: when something was broken
strayed:
  description: The guests that are not where they were, each with the C(node) on which it was.
  type: list
  elements: dict
  returned: unless refused
wrong:
  description: What was not as it should be, a sentence each.
  type: list
  elements: str
  returned: unless refused
"""
