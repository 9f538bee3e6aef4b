"""The plan of a running lab as a file: every field comes back, and nobody but root may read it."""

import pytest
from netns_lab.directory import LabDirectory, LabError
from netns_lab.planning import plan_lab
from netns_lab.state import load_plan, save_plan
from netns_lab.topology import parse_topology

from control.bgp.policy import LimitAction
from tests.lab_parts.processes import LAB

TOPOLOGY = f"""
name: x
nodes:
  a:
    bgp:
      asn: 1
      announce: [10.1.0.0/16]
      password: given
      neighbors: {{b: {{import: [{{prefixes: [10.2.0.0/16 le 24], med: 5}}], maximum_prefixes: 9}}}}
    env: {{A: b}}
    loopback: [10.9.0.1/32]
  b: {{groups: [left], bgp: {{asn: 2, announce: [10.2.0.0/16]}}}}
  c: {{bgp: {{asn: 2}}}}
  h:
    sysctl: {{net.ipv4.ip_default_ttl: 9}}
    exec: [date]
    services: [{{name: web, cmd: httpd}}]
    files: {{/etc/app: content}}
links:
  - {{endpoints: a-b, macsec: {{sak: "{"5a" * 32}"}}}}
  - {{endpoints: a-b}}
  - {{endpoints: h-b, type: plain}}
  - {{endpoints: b-c, groups: [left]}}
"""


def test_a_plan_comes_back_whole_with_its_secrets(directory: LabDirectory) -> None:
    plan = plan_lab(parse_topology(TOPOLOGY), bytes)
    save_plan(directory, plan)
    loaded = load_plan(directory)
    assert loaded == plan
    limit = loaded.sessions[0].seen_from("a")[0].settings.maximum_prefixes
    assert limit is not None
    assert limit.action is LimitAction.SHUTDOWN, "a member of the enumeration, not only its text"
    assert directory.plan.stat().st_mode & 0o777 == 0o600


def test_a_later_plan_takes_the_place_of_the_one_before(directory: LabDirectory) -> None:
    for text in (TOPOLOGY, "name: x\nnodes: {a: {}}"):
        save_plan(directory, plan_lab(parse_topology(text), bytes))
    assert [node.name for node in load_plan(directory).nodes] == ["a"]
    assert not list(directory.path.glob("*.new"))


def test_a_lab_without_a_plan_is_one_sentence(directory: LabDirectory) -> None:
    with pytest.raises(LabError, match=rf"lab {LAB} is not built yet; .* `quadlink down --name {LAB}`"):
        load_plan(directory)
