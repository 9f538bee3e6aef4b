"""What the configurations of all routing daemons are made of."""

from netns_lab.plan import BfdEnd, LabPlan, NodePlan, SessionPlan

MULTIPATH_LIMIT = 64
"""How many equal paths one route may have."""


def session_name(session: SessionPlan, node: str) -> str:
    """What the daemon of a node calls a session, such as r1.ch1.ipv4."""
    local, peer = session.seen_from(node)
    return f"{peer.node}.{local.interface}.{session.family}"


def bfd_ends(plan: LabPlan, node: NodePlan) -> list[BfdEnd]:
    """The node's end of every BFD session that it has."""
    sessions = [session for link in plan.links for session in link.bfd]
    return [end for session in sessions for end in session.ends if end.node == node.name]
