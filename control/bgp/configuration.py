"""ExaBGP's configuration file and environment for one speaker.

Scope: one family per session. Of two ExaBGPs the one with the lower address connects and the other listens,
for of two connections that cross they can close both, again and again, where RFC 4271 section 6.8 keeps one;
with another daemon both ends do both. No graceful restart unless asked for: it keeps routes to a peer that is
gone (RFC 4724 section 4.2). Passwords are TCP MD5 keys (RFC 2385), written in base64 so that any octets of
theirs stay one word of the file.
"""

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from control.bgp.model import AddressFamily, canonical_address, family_of
from control.bgp.policy import NeighborSettings

REACTOR_SPEED = "20"
"""Units of 10 ms: a turn of ExaBGP's main loop, as long as only timers need it to be (see exabgp.py)."""
MAXIMUM_PASSWORD_OCTETS = 80
"""TCP_MD5SIG_MAXKEYLEN of the Linux kernel."""


@dataclass(frozen=True, slots=True)
class NeighborConfig:
    """One session. Raises ValueError for what BGP or ExaBGP cannot carry.

    `peer_router_id` is the peer's BGP Identifier, where it is known; `peer_is_exabgp`, whether a speaker
    with the same configuration of this session is at the other end.
    """

    local_address: str
    peer_address: str
    peer_asn: int
    family: AddressFamily
    password: str | None = field(default=None, repr=False)
    hold_time_s: int = 3
    settings: NeighborSettings = field(default_factory=NeighborSettings)
    peer_router_id: str = "0.0.0.0"
    peer_is_exabgp: bool = False

    def __post_init__(self) -> None:
        for address in (self.local_address, self.peer_address):
            if canonical_address(address) != address:
                raise ValueError(
                    f"expected {canonical_address(address)}, found {address} written differently"
                )
            if family_of(address) is not self.family:
                raise ValueError(f"expected an address for {self.family.value}, found {address}")
            if ":" in address and IPv6Address(address).is_link_local:
                raise ValueError(f"expected an address ExaBGP can listen on, found link-local {address}")
        if self.local_address == self.peer_address:
            raise ValueError(f"expected two ends of a session, found {self.local_address} at both")
        if ":" in self.peer_router_id or canonical_address(self.peer_router_id) != self.peer_router_id:
            raise ValueError(f"expected a router id like 10.255.0.1, found {self.peer_router_id}")
        _check_asn(self.peer_asn)
        if not 3 <= self.hold_time_s <= 65535:
            raise ValueError(f"expected a hold time of 3 to 65535 s, found {self.hold_time_s}")
        octets = 1 if self.password is None else len(self.password.encode())
        if not 1 <= octets <= MAXIMUM_PASSWORD_OCTETS:
            raise ValueError(f"expected a password of 1 to {MAXIMUM_PASSWORD_OCTETS} octets, found {octets}")


@dataclass(frozen=True, slots=True)
class SpeakerConfig:
    """One router's speaker and all its sessions. Raises ValueError."""

    node: str
    asn: int
    router_id: str
    neighbors: tuple[NeighborConfig, ...]

    def __post_init__(self) -> None:
        _check_asn(self.asn)
        if ":" in self.router_id or canonical_address(self.router_id) in ("0.0.0.0", "255.255.255.255"):
            raise ValueError(f"expected a router id like 10.255.0.1, found {self.router_id}")
        peers = [neighbor.peer_address for neighbor in self.neighbors]
        for neighbor in self.neighbors:
            _check_policy(neighbor, internal=neighbor.peer_asn == self.asn)
            if peers.count(neighbor.peer_address) > 1:
                raise ValueError(f"expected each peer address once, found {neighbor.peer_address} twice")

    def without(self, neighbors: Collection[str]) -> "SpeakerConfig":
        """The same, but for the sessions with these."""
        others = [neighbor for neighbor in self.neighbors if neighbor.peer_address not in neighbors]
        return replace(self, neighbors=tuple(others))


def configuration_text(config: SpeakerConfig, helper: Sequence[str]) -> str:
    """The configuration file. `helper` is the command ExaBGP runs as its API process. Raises ValueError."""
    command = " ".join(map(_quoted, helper))
    sections = [f"process helper {{\n    run {command};\n    encoder json;\n}}\n"]
    sections += [_neighbor_section(config, neighbor) for neighbor in config.neighbors]
    return "\n".join(sections)


def environment(python_path: Path) -> dict[str, str]:
    """The variables ExaBGP and its helper need. Log lines go to stderr; the helper is found on `python_path`.

    `user` root: a helper run as nobody could not enter the folders the program lives in. `ack` off: answers
    carry no number and come out of order. A helper that ends is not restarted alone: its memory would be
    gone.
    """
    return {
        "PYTHONPATH": str(python_path),
        "exabgp_api_ack": "false",
        "exabgp_api_cli": "false",
        "exabgp_api_respawn": "false",
        "exabgp_daemon_user": "root",
        "exabgp_log_destination": "stderr",
        "exabgp_log_level": "WARNING",
        "exabgp_log_short": "false",
        "exabgp_reactor_speed": REACTOR_SPEED,
        "exabgp_tcp_bind": "",
        "exabgp_tcp_port": "179",
    }


def _neighbor_section(config: SpeakerConfig, neighbor: NeighborConfig) -> str:
    # The controller keeps what comes in. What goes out ExaBGP replays itself, End-of-RIB after it.
    restart_s = neighbor.settings.graceful_restart_s
    lines = [
        f"local-address {neighbor.local_address};",
        f"local-as {config.asn};",
        f"peer-as {neighbor.peer_asn};",
        f"router-id {config.router_id};",
        f"hold-time {neighbor.hold_time_s};",
        *_connection_lines(neighbor),
        "adj-rib-in false;",
        "adj-rib-out true;",
        f"capability {{ graceful-restart {restart_s or 'disable'}; route-refresh disable; }}",
        f"manual-eor {'true' if restart_s else 'false'};",
        f"family {{ {neighbor.family.value}; }}",
        # Names of api sections are global to the file.
        f"api api-{config.neighbors.index(neighbor)} "
        f"{{ processes [ helper ]; neighbor-changes; "
        f"receive {{ parsed; update;{' open;' if restart_s else ''} }} }}",
    ]
    if neighbor.password is not None:
        key = base64.b64encode(neighbor.password.encode()).decode()
        lines += [f'md5-password "{key}";', "md5-base64 true;"]
    body = "".join(f"    {line}\n" for line in lines)
    return f"neighbor {neighbor.peer_address} {{\n{body}}}\n"


def _connection_lines(neighbor: NeighborConfig) -> list[str]:
    """Who opens the connection."""
    if not neighbor.peer_is_exabgp:
        return ["passive false;", "listen 179;"]
    if int(ip_address(neighbor.local_address)) < int(ip_address(neighbor.peer_address)):
        return ["passive false;"]
    return ["passive true;", "listen 179;"]


def _quoted(word: str) -> str:
    """One word of ExaBGP's configuration; it has no way to write a quote or a backslash inside quotes."""
    if not word or not word.isascii() or not word.isprintable() or set(word) & set("\"'\\"):
        raise ValueError(f"expected printable ASCII without quotes and backslashes, found {word!r}")
    return f'"{word}"'


def _check_asn(asn: int) -> None:
    if not 1 <= asn <= 0xFFFFFFFE:
        raise ValueError(f"expected an AS number of 1 to 4294967294, found {asn}")


def _check_policy(neighbor: NeighborConfig, *, internal: bool) -> None:
    """Refuse what would have no effect, or would make loops, on a session of this kind."""
    settings, peer = neighbor.settings, neighbor.peer_address
    if settings.route_reflector_client and not internal:
        raise ValueError(f"expected a route reflector client in the same AS, found {peer} in another")
    if not internal and any(term.local_pref is not None for term in settings.export_terms):
        raise ValueError(f"expected no local preference in what is sent to another AS, found it for {peer}")
    if internal and any(term.prepend for term in (*settings.import_terms, *settings.export_terms)):
        raise ValueError(f"expected prepending between ASes only, found it for {peer} in the same AS")
