# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console's address in the cluster's configuration: made, made again, changed, removed."""

from __future__ import annotations

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib_xml import constraint_element, constraint_of
from ansible_collections.cspp.drover.plugins.module_utils.cluster.console_address import console_address
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Where
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue


def test_the_rule_is_read_as_it_was_written() -> None:
    _, where = console_address("192.0.2.9/24")
    assert isinstance(where, Where)
    assert constraint_of(constraint_element(where)) == where


@pytest.mark.parametrize(
    ("address", "ip", "prefix"), [("192.0.2.9/24", "192.0.2.9", "24"), ("2001:db8::9/64", "2001:db8::9", "64")]
)
def test_an_address_is_one_resource(address: str, ip: str, prefix: str) -> None:
    resource, where = console_address(address)
    assert resource.params == {"ip": ip, "cidr_netmask": prefix}
    assert where.resources == (resource.id,)


@pytest.mark.parametrize(
    ("address", "words"),
    [("192.0.2.9", "has no prefix"), ("192.0.2.9/33", "192.0.2.9/24"), ("console", "192.0.2.9/24")],
)
def test_what_is_no_address_with_a_prefix_is_refused(address: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        console_address(address)
