"""Which sessions of a router are kept down until they are reset, in a file for its next controller."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from control.bgp.configuration import SpeakerConfig
from control.session import Session
from dataplane.whole_file import write_whole

log = logging.getLogger("held")


def remember(path: Path, sessions: Iterable[Session], config: SpeakerConfig) -> None:
    """Makes those that are held now all that is known."""
    maxima = _maxima(config)
    held = {
        it.neighbor: {
            "maximum": maxima[it.neighbor],
            "since_ns": it.since_ns,
            "reason": it.reason,
            "warning": it.warning,
        }
        for it in sessions
        if it.held
    }
    write_whole(path, json.dumps(held))


def recall(path: Path, sessions: Iterable[Session], config: SpeakerConfig) -> None:
    """Has those be held that were; but one for which other prefixes are agreed now is free to try again."""
    maxima = _maxima(config)
    try:
        held = json.loads(path.read_text())
        for session in sessions:
            known = held.get(session.neighbor)
            if known is not None and known["maximum"] == maxima[session.neighbor]:
                session.since_ns = known["since_ns"]
                session.reason, session.warning = known["reason"], known["warning"]
                session.held = True
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("%s cannot be read, sessions in it are not kept down: %s", path.name, error)


def _maxima(config: SpeakerConfig) -> dict[str, int | None]:
    """How many prefixes are agreed with each neighbor; None: any number."""
    limits = {it.peer_address: it.settings.maximum_prefixes for it in config.neighbors}
    return {neighbor: None if limit is None else limit.count for neighbor, limit in limits.items()}
