"""The models of a router's `bgp` in a topology file: timers, BFD, and what each neighbor may say and hear."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from control.bgp.policy import LimitAction
from netns_lab import fields, fields_bgp
from netns_lab.fields import Shorthand, one_of
from netns_lab.profiles import PROFILES
from netns_lab.strict_model import Model


class Bfd(Model):
    """BFD (RFC 5880) on the links to other routers; what is not given comes from the profile."""

    interval_us: fields_bgp.BfdInterval | None = Field(default=None, alias="interval")
    multiplier: fields_bgp.BfdMultiplier | None = None


class NoBfd(Bfd):
    """`bfd: false`."""


class MaximumPrefixes(Model):
    """How many prefixes a neighbor may announce in one session, and what more are worth."""

    count: fields_bgp.PrefixCount
    action: Annotated[Literal["warn", "discard", "shutdown"], one_of(*map(str, LimitAction))] = "shutdown"


COUNT_SCHEMA = {"type": "integer", "minimum": 1, "description": "prefixes; more end the session"}


def _bfd(value: object) -> object:
    if value is False:
        return NoBfd()
    if not isinstance(value, dict | Bfd):
        raise ValueError("expected false, or a mapping of interval and multiplier")
    return value


def _maximum_prefixes(value: object) -> object:
    if type(value) is int:
        return {"count": value}
    if not isinstance(value, dict | MaximumPrefixes):
        raise ValueError("expected a whole number, or a mapping of count and action")
    return value


class Term(Model):
    """One rule of import or export policy: what it matches, and what becomes of a path that it matches.

    A path matches when its prefix is in one of `prefixes`, it carries every one of `communities` and its
    session is over one of `links`; what is not given matches all.
    """

    prefixes: list[fields_bgp.RangeOfPrefixes] = []
    communities: list[fields_bgp.Community] = []
    links: list[fields.LinkName] = []
    action: Annotated[Literal["accept", "reject"] | None, one_of("accept", "reject")] = None
    local_preference: fields_bgp.Preference | None = None
    med: fields_bgp.Med | None = None
    prepend: fields_bgp.Prepending | None = None
    add_communities: list[fields_bgp.Community] = []
    remove_communities: list[fields_bgp.Community] = []

    @property
    def changes(self) -> list[str]:
        """The names of what the term does to a path that it accepts."""
        names = ("local_preference", "med", "prepend", "add_communities", "remove_communities")
        return [name for name in names if getattr(self, name) not in (None, [])]


def _does_something(term: Term) -> Term:
    if term.action is None and not term.changes:
        raise ValueError("expected an `action`, or something that the term changes")
    if term.action == "reject" and term.changes:
        raise ValueError(f"which rejects, expected no {' or '.join(term.changes)} with it")
    return term


Terms = list[Annotated[Term, AfterValidator(_does_something)]]


class Neighbor(Model):
    """How a router treats another one that it peers with, in all its sessions with it."""

    import_terms: Terms = Field(default=[], alias="import")
    export_terms: Terms = Field(default=[], alias="export")
    maximum_prefixes: Annotated[MaximumPrefixes, Shorthand(_maximum_prefixes, schema=COUNT_SCHEMA)] | None = (
        None
    )
    next_hop_self: bool = False
    route_reflector_client: bool = False


class BgpSettings(Model):
    """BGP-4 (RFC 4271) of a router, as far as `defaults` may hold it."""

    profile: Annotated[Literal["lab", "aws", "google", "azure"], one_of(*PROFILES)] = "lab"
    password: fields.Password | None = None
    hold_time_s: fields_bgp.HoldTime | None = Field(default=None, alias="hold_time")
    daemon: Annotated[
        Literal["exabgp", "bird", "frr", "external"],
        one_of("exabgp", "bird", "frr", "external"),
    ] = "exabgp"
    bfd: Annotated[Bfd, Shorthand(_bfd, schema={"const": False})] = Bfd()
    graceful_restart_s: fields_bgp.RestartTime | None = Field(default=None, alias="graceful_restart")
    neighbors: dict[fields.NodeName, Neighbor] = {}


class Bgp(BgpSettings):
    asn: fields.Asn
    announce: fields.UniquePrefixes = []
