"""Which failures a proof goes through."""

from netns_lab import templates
from netns_lab.planning import plan_lab
from netns_lab.proof.failures import elements_of, failures_of
from netns_lab.topology import parse_topology

GROUPED = templates.quad("quad").replace(
    'endpoints: ["aws:ch1", "gcp:ch1"]', 'endpoints: ["aws:ch1", "gcp:ch1"], groups: [west]'
)
PLAN = plan_lab(parse_topology(GROUPED), bytes)


def test_every_link_router_and_group_fails_once() -> None:
    names = [str(element) for element in elements_of(PLAN)]
    assert len(names) == len(set(names)) == 8 + 2 + 1
    assert {"link ch1", "router aws", "group west"} <= set(names)
    assert "router aws-h1" not in names


def test_a_router_takes_its_links_along() -> None:
    aws = next(element for element in elements_of(PLAN) if element.name == "aws")
    assert aws.failed.nodes == {"aws"}
    assert aws.failed.links == {"ch1", "ch2", "ch3", "ch4", "aws-lan1", "aws-lan2"}


def test_pairs_leave_out_what_one_failure_contains_in_the_other() -> None:
    pairs = [str(failure) for failure in failures_of(PLAN, 2)]
    assert "link ch1 and link ch2" in pairs
    assert "link gcp-lan1 and router aws" in pairs
    # A link of the router, and the group that is that link, are no second failure.
    assert "link ch1 and router aws" not in pairs
    assert "link ch1 and group west" not in pairs
    assert len(pairs) == len(set(pairs))
