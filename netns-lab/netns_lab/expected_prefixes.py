"""Which prefixes of a topology a session is to bring, where no router of ours is at its other end."""

from collections.abc import Iterator, Sequence

from control.bgp.model import Origin, PathAttributes
from control.bgp.policy import Term, by_term
from netns_lab.plan import LabPlan, SessionPlan, family_of


def expected_prefixes(plan: LabPlan, session: SessionPlan, node: str) -> list[str]:
    """What its peer announces by the topology and the policy of both ends lets through to a node."""
    local, peer = session.seen_from(node)
    prefixes = [it for it in plan.node(peer.node).originate if family_of(it) == session.family]
    paths = [(PathAttributes(Origin.IGP, (peer.asn,)), prefixes)]
    for terms in (peer.settings.export_terms, local.settings.import_terms):
        paths = [passed for path in paths for passed in _passed(terms, *path, peer.asn)]
    return [prefix for _, prefixes in paths for prefix in prefixes]


def _passed(
    terms: Sequence[Term], attributes: PathAttributes, prefixes: Sequence[str], asn: int
) -> Iterator[tuple[PathAttributes, list[str]]]:
    for term, part in by_term(terms, attributes.communities, prefixes):
        if (accepted := term.applied(attributes, asn)) is not None:
            yield accepted, list(part)
