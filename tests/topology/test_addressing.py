"""Planned subnets where pools meet: a router may announce the very range that links are numbered from."""

from ipaddress import ip_interface, ip_network

from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

TOPOLOGY = """
name: x
nodes:
  r0: {bgp: {asn: 1, announce: [10.0.0.0/9]}}
  r1: {bgp: {asn: 2, announce: [169.254.0.0/16]}}
  h0: {}
links:
  - {endpoints: r0-r1}
  - {endpoints: r1-h0}
"""


def test_a_host_link_in_the_range_of_router_links_has_a_subnet_of_its_own() -> None:
    plan = plan_lab(parse_topology(TOPOLOGY), bytes)
    routers, host = (
        {
            ip_interface(address).network
            for end in link.ends
            for address in end.addresses
            if ":" not in address
        }
        for link in plan.links
    )
    (between,), (lan,) = routers, host
    assert (between.prefixlen, lan.prefixlen) == (31, 24)
    assert lan.subnet_of(ip_network("169.254.0.0/16"))  # type: ignore[arg-type]
    assert not lan.overlaps(between)
