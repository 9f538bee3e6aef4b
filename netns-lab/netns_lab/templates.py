"""Topology files to begin with, as text: three that ship, and rings and stars of any size."""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[1] / "topologies"
FIRST_ASN = 64512
"""The private AS numbers of 16 bits begin here (RFC 6996)."""
MAX_ROUTERS = 1000
MAX_HOSTS = 4000


def pair(name: str) -> str:
    """Two routers with a host each, joined by one MACsec channel; commented, to be changed."""
    return _shipped("pair", name)


def quad(name: str) -> str:
    """Two routers with two hosts each, joined by four MACsec channels: the demo's lab."""
    return _shipped("quad", name)


def quad_facilities(name: str) -> str:
    """Two clouds of five routers and two hosts each that meet in two facilities, with iBGP inside."""
    return _shipped("quad-facilities", name)


def ring(name: str, routers: int) -> str:
    """A ring of MACsec channels, BGP on every router, one host behind each.

    Raises ValueError with one sentence unless there are 3 to MAX_ROUTERS routers.
    """
    _check("routers", routers, 3, MAX_ROUTERS)
    numbers = range(1, routers + 1)
    lines = [
        f"# A ring: {routers} routers, a MACsec channel from each to the next, a host behind each.",
        f"name: {name}",
        "nodes:",
    ]
    for n in numbers:
        prefixes = f'10.{n >> 8}.{n & 255}.0/24, "fd01:0:0:{n:x}::/64"'
        lines += [f"  r{n}: {{bgp: {{asn: {FIRST_ASN + n}, announce: [{prefixes}]}}}}", f"  h{n}: {{}}"]
    lines.append("links:")
    for n in numbers:
        lines += [
            f"  - {{endpoints: r{n}-r{n % routers + 1}}}",
            f"  - {{type: plain, endpoints: r{n}-h{n}}}",
        ]
    return "\n".join(lines) + "\n"


def star(name: str, hosts: int) -> str:
    """Hosts behind one router, each on a plain link of its own.

    Raises ValueError with one sentence unless there are 1 to MAX_HOSTS hosts.
    """
    _check("hosts", hosts, 1, MAX_HOSTS)
    numbers = range(1, hosts + 1)
    lines = [
        f"# A star: {hosts} hosts behind one router, each with a /24 and a /64 of what it announces.",
        f"name: {name}",
        "defaults: {link: {type: plain}}",
        "nodes:",
        f'  r1: {{bgp: {{asn: {FIRST_ASN}, announce: [10.64.0.0/10, "fd01::/48"]}}}}',
        *(f"  h{n}: {{}}" for n in numbers),
        "links:",
        *(f"  - endpoints: r1-h{n}" for n in numbers),
    ]
    return "\n".join(lines) + "\n"


def _shipped(template: str, name: str) -> str:
    text = (SHIPPED / f"{template}.yaml").read_text()
    return text.replace(f"\nname: {template}\n", f"\nname: {name}\n", 1)


def _check(what: str, number: int, lowest: int, highest: int) -> None:
    if not lowest <= number <= highest:
        raise ValueError(f"found {number} {what}, expected {lowest} to {highest}")
