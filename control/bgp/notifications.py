"""What a NOTIFICATION says (RFC 4271 section 4.5), in place of the numbers ExaBGP gives."""

import re

_ERRORS = {
    1: "message header error",
    2: "OPEN message error",
    3: "UPDATE message error",
    4: "hold timer expired",
    5: "finite state machine error",
    6: "cease",
}
_NOTIFICATION = re.compile(r"notification (sent|received) \((\d+),(\d+)\)")


def was_notified(reason: str) -> bool:
    """Whether a session ended by a NOTIFICATION, by ExaBGP's reason."""
    return _NOTIFICATION.search(reason) is not None


def readable(reason: str) -> str:
    """ExaBGP's reason for the end of a session, with the error's name where it gives a known code."""
    found = _NOTIFICATION.search(reason)
    if found is None or int(found[2]) not in _ERRORS:
        return reason
    return f"{_ERRORS[int(found[2])]} (NOTIFICATION {found[2]}/{found[3]} {found[1]})"
