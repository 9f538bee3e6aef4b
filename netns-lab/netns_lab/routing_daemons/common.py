"""What the configurations of all routing daemons are made of."""

from netns_lab.plan import BfdEnd, Family, LabPlan, NodePlan


def bfd_ends(plan: LabPlan, node: NodePlan) -> list[BfdEnd]:
    """The node's end of every BFD session that it has."""
    sessions = [session for link in plan.links for session in link.bfd]
    return [end for session in sessions for end in session.ends if end.node == node.name]


def family_of(prefix: str) -> Family:
    """The family of a prefix or an address."""
    return "ipv6" if ":" in prefix else "ipv4"
