"""The active faults as a file of the lab's directory: the next controller knows and heals them all."""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from dataplane.whole_file import write_whole
from netns_lab.faults.model import Fault
from netns_lab.state import decode

log = logging.getLogger("faults")


class Registry:
    """Faults by id, in the order they began. What is put in or taken out is in the file before it returns."""

    def __init__(self, path: Path) -> None:
        """Holds what the file has; one that cannot be read is as good as none."""
        self._path = path
        self._faults: dict[str, Fault] = {}
        try:
            faults = [decode(Fault, document) for document in json.loads(path.read_text())]
            self._faults = {fault.id: fault for fault in faults}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("%s cannot be read, faults in it are not healed: %s", path.name, error)

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._faults.values()))

    def get(self, id: str) -> Fault | None:
        """The fault of that id; None where it is not there."""
        return self._faults.get(id)

    def put(self, fault: Fault) -> None:
        """Takes a fault in, or what has changed of it."""
        self._faults[fault.id] = fault
        self._save()

    def take(self, id: str) -> Fault | None:
        """Takes a fault out; None where it is not there."""
        fault = self._faults.pop(id, None)
        if fault is not None:
            self._save()
        return fault

    def _save(self) -> None:
        write_whole(self._path, json.dumps([asdict(fault) for fault in self._faults.values()]))
