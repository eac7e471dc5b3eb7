# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The description of a lab that is there: what the inventory plugin reads."""

from __future__ import annotations

import json

from . import credentials
from .bmc_control import BMC_USER
from .layout import Lab

__all__ = ["describe"]


def describe(lab: Lab, nodes: int, bmc_port: int) -> str | None:
    """The first so many nodes of a lab as JSON; None before there are secrets to describe."""
    if not lab.secrets.is_file():
        return None
    described = {
        "name": lab.name,
        "subnet": str(lab.subnet),
        "gateway": lab.gateway,
        "bridge": lab.bridge,
        "ssh_key": str(lab.ssh_key),
        "known_hosts": str(lab.known_hosts),
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "bmc_address": node.bmc_address,
                "bmc_port": bmc_port,
                "bmc_user": BMC_USER,
                "bmc_password": credentials.bmc_password(lab),
            }
            for node in lab.nodes(nodes)
        ],
    }
    return json.dumps(described, indent=1) + "\n"
