"""A BGP session as `inspect bgp` tells of it: its state, and how this end treats the other."""

from control.bgp.model import community_text
from control.bgp.policy import MaximumPrefixes, NeighborSettings, Term
from control.router import Router
from control.session import Session
from dataplane.lines import Document
from netns_lab.plan import SessionEnd, SessionPlan
from netns_lab.routing_daemons.session import DaemonSession

NS_PER_S = 1e9


def session_document(router: Router, node: str, session: Session, now_ns: int) -> Document:
    """One session, as seen from one of its ends."""
    config = next(it for it in router.config.neighbors if it.peer_address == session.neighbor)
    settings = config.settings
    return {
        "node": node,
        "peer": session.peer_node,
        "type": "internal" if config.peer_asn == router.config.asn else "external",
        "link": session.link,
        "neighbor": session.neighbor,
        "local": config.local_address,
        "hold_time_s": config.hold_time_s,
        "state": "established" if session.up else "down",
        "since_s": round((now_ns - session.since_ns) / NS_PER_S, 1) if session.since_ns else 0.0,
        "prefixes": router.rib.prefix_count(session.neighbor),
        "maximum_prefixes": _limit(
            settings.maximum_prefixes, len(router.rib.left_out.get(session.neighbor, ()))
        ),
        "policy": _policy(settings),
        "warning": session.warning,
        "reason": session.reason,
    }


def daemon_session_document(session: SessionPlan, node: str, state: DaemonSession, now_ns: int) -> Document:
    """The same of a session that a routing daemon of that node has; of BFD it tells the state alone."""
    local, peer = session.seen_from(node)
    return {
        "node": node,
        "peer": peer.node,
        "type": "internal" if session.internal else "external",
        "link": " ".join(session.links),
        "neighbor": peer.address,
        "local": local.address,
        "hold_time_s": local.hold_time_s,
        "state": "established" if state.up else "down",
        "since_s": round((now_ns - state.since_ns) / NS_PER_S, 1) if state.since_ns else 0.0,
        "prefixes": state.prefixes,
        "maximum_prefixes": _limit(local.settings.maximum_prefixes, None),
        "policy": _policy(local.settings),
        "warning": "",
        "reason": state.reason,
        "bfd": [_bfd(session, local, peer, state.bfd)] if state.bfd else [],
    }


def _bfd(session: SessionPlan, local: SessionEnd, peer: SessionEnd, state: str) -> Document:
    where = {"node": local.node, "interface": local.interface, "family": session.family}
    return {**where, "peer": peer.address, "state": state}


def _policy(settings: NeighborSettings) -> Document:
    """How this end treats the other, as a topology file has it."""
    return {
        "import": [_term(term) for term in settings.import_terms],
        "export": [_term(term) for term in settings.export_terms],
        "next_hop_self": settings.next_hop_self,
        "route_reflector_client": settings.route_reflector_client,
    }


def _limit(limit: MaximumPrefixes | None, refused: int | None) -> Document | None:
    """`refused` is how many were left out; None: nobody counts them."""
    return None if limit is None else {"count": limit.count, "action": limit.action.value, "refused": refused}


def _term(term: Term) -> Document:
    """What is said of a term, and no more."""
    document: Document = {
        "prefixes": [str(prefixes) for prefixes in term.prefixes],
        "communities": [community_text(value) for value in term.communities],
        "action": "accept" if term.accept else "reject",
        "local_preference": term.local_pref,
        "med": term.med,
        "prepend": term.prepend or None,
        "add_communities": [community_text(value) for value in term.add_communities],
        "remove_communities": [community_text(value) for value in term.remove_communities],
    }
    return {key: value for key, value in document.items() if value not in (None, [])}
