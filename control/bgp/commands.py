"""ExaBGP API command lines: written by the controller, recognised by the helper that passes them on.

One form serves announcements and withdrawals: attributes once, then many NLRI. It is the fastest ExaBGP has.
"""

from collections.abc import Iterator, Sequence

NLRI_PER_COMMAND = 250
"""Measured best: longer commands keep ExaBGP from its sessions, shorter ones cost a turn of its loop each."""

RELOAD = "reload"
"""Go by the configuration file as it is now (see exabgp.py)."""
END_OF_RIB = "end-of-rib"
RECONNECT = "reconnect"
_FORGET = "# forget neighbor "
_TELL_AGAIN = "# tell again neighbor "

MAXIMUM_PREFIXES_REACHED = 1
ADMINISTRATIVE_SHUTDOWN = 2
ADMINISTRATIVE_RESET = 4
OTHER_CONFIGURATION_CHANGE = 6
BFD_DOWN = 10
"""Cease subcodes, RFC 4486 and, of BFD, RFC 9384."""

FOR_GOOD = (MAXIMUM_PREFIXES_REACHED, ADMINISTRATIVE_SHUTDOWN)
"""After these a session is not tried again before a reload."""


def announce(neighbor: str, attributes: str, prefixes: Sequence[str]) -> Iterator[str]:
    """Commands that advertise `prefixes` with `attributes` (in ExaBGP's words) to one neighbor."""
    return _commands(neighbor, "announce", attributes, prefixes)


def withdraw(neighbor: str, prefixes: Sequence[str]) -> Iterator[str]:
    """Commands that withdraw `prefixes` from one neighbor."""
    return _commands(neighbor, "withdraw", "next-hop self", prefixes)


def teardown(neighbor: str, subcode: int = OTHER_CONFIGURATION_CHANGE) -> str:
    """Ends the session at once with a Cease NOTIFICATION; but for FOR_GOOD, it is then tried again."""
    return f"neighbor {neighbor} teardown {subcode}"


def reconnect(neighbor: str) -> str:
    """Try to connect now, for when a link has come back (see exabgp.py)."""
    return f"{RECONNECT} {neighbor}"


def end_of_rib(neighbor: str) -> str:
    """Says that all announcements so far are all there is to tell (RFC 4724 section 2; see exabgp.py)."""
    return f"{END_OF_RIB} {neighbor}"


def forget(neighbor: str) -> str:
    """For the helper: nothing is advertised to a neighbor that is gone. To ExaBGP it is a comment."""
    return f"{_FORGET}{neighbor}"


def forgotten(command: str) -> str | None:
    """The neighbor of such a command; None for any other."""
    return command.removeprefix(_FORGET) if command.startswith(_FORGET) else None


def tell_again(neighbor: str, prefixes: Sequence[str]) -> Iterator[str]:
    """For the helper: say once more what a neighbor has announced of these prefixes. To ExaBGP, comments."""
    for start in range(0, len(prefixes), NLRI_PER_COMMAND):
        yield " ".join([f"{_TELL_AGAIN}{neighbor}", *prefixes[start : start + NLRI_PER_COMMAND]])


def asked_again(command: str) -> tuple[str, list[str]] | None:
    """The neighbor and the prefixes of such a command; None for any other."""
    if not command.startswith(_TELL_AGAIN):
        return None
    neighbor, *prefixes = command.removeprefix(_TELL_AGAIN).split()
    return neighbor, prefixes


def parse(command: str) -> tuple[str, str, str, list[str]] | None:
    """(neighbor, "announce" or "withdraw", attributes, prefixes) of such a command; None for any other."""
    match command.split(" ", 4):
        case ["neighbor", neighbor, ("announce" | "withdraw") as verb, "attributes", rest]:
            attributes, separator, nlri = rest.partition(" nlri ")
            return (neighbor, verb, attributes, nlri.split()) if separator else None
    return None


def _commands(neighbor: str, verb: str, attributes: str, prefixes: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(prefixes), NLRI_PER_COMMAND):
        nlri = " ".join(prefixes[start : start + NLRI_PER_COMMAND])
        yield f"neighbor {neighbor} {verb} attributes {attributes} nlri {nlri}"
