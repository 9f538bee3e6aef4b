"""What a session with another's program is to bring, by the policy of both ends."""

from netns_lab.expected_prefixes import expected_prefixes
from netns_lab.planning import plan_lab
from netns_lab.topology import parse_topology

TOPOLOGY = """
name: pair
nodes:
  r1:
    bgp:
      asn: 64512
      neighbors: {r2: {import: [{communities: ["64513:1"], action: reject}]}}
  r2:
    bgp:
      asn: 64513
      daemon: bird
      announce: [10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16, "fd02::/48"]
      neighbors:
        r1:
          export:
            - {prefixes: [10.3.0.0/16], action: reject}
            - {prefixes: [10.4.0.0/16], add_communities: ["64513:1"]}
links:
  - {name: ch1, endpoints: r1-r2}
"""


def test_only_what_export_and_import_let_through_is_expected() -> None:
    plan = plan_lab(parse_topology(TOPOLOGY, "t.yaml"), bytes)
    ipv4, ipv6 = plan.sessions
    assert expected_prefixes(plan, ipv4, "r1") == ["10.2.0.0/16"]
    assert expected_prefixes(plan, ipv6, "r1") == ["fd02::/48"]
    assert expected_prefixes(plan, ipv4, "r2") == []
