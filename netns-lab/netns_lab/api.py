"""How the command line talks to a lab's controller: one JSON request and one JSON answer a line."""

import time
from pathlib import Path
from typing import Any

from dataplane.lines import LineStream
from netns_lab.directory import LabDirectory, LabError
from netns_lab.processes import is_stopped

REQUEST_TIMEOUT_S = 30.0
RESTART_TIMEOUT_S = 5.0
POLL_INTERVAL_S = 0.02
MAXIMUM_LINE_OCTETS = 1 << 24


class ControllerGone(LabError):
    """No controller answers."""


class ControllerClient:
    """Asks a lab's controller. A refused request raises LabError with the controller's sentence."""

    def __init__(self, directory: LabDirectory) -> None:
        self._lab = directory.name
        try:
            self._stream = _connect(directory)
        except OSError as error:
            if directory.is_dead():
                raise ControllerGone(
                    f"no process of lab {self._lab} is left; `quadlink gc` removes what remains of it"
                ) from error
            raise ControllerGone(
                f"the controller of lab {self._lab} does not answer ({error.strerror}); its log is "
                f"{directory.log('controller')}; `quadlink adopt --name {self._lab}` starts what is missing, "
                f"`quadlink down --name {self._lab}` ends what is left"
            ) from error

    def __enter__(self) -> "ControllerClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The controller's process."""
        return self._stream.pid

    def close(self) -> None:
        self._stream.close()

    def call(self, request: str, **arguments: object) -> Any:  # noqa: ANN401 - the JSON value of that request
        """The answer to a request."""
        try:
            self._stream.send({"request": request, "arguments": arguments})
            answer = self._stream.receive()
        except OSError as error:
            why = str(error)
            if is_stopped(self.pid):
                why = "it is stopped; `quadlink heal controller` has it go on"
            raise ControllerGone(f"the controller of lab {self._lab} does not answer: {why}") from error
        if "error" in answer:
            raise LabError(answer["error"])
        return answer["result"]


def connect_controller(directory: LabDirectory) -> LineStream:
    """A connection to a controller that is there now; OSError where none is."""
    return LineStream(directory.controller_socket, REQUEST_TIMEOUT_S)


def _connect(directory: LabDirectory) -> LineStream:
    """A controller that ended is started again by the guard: that is waited for while there is a guard."""
    deadline_s = time.monotonic() + RESTART_TIMEOUT_S
    while True:
        try:
            return connect_controller(directory)
        except OSError:
            if time.monotonic() > deadline_s or not listens(directory.guard_socket):
                raise
        time.sleep(POLL_INTERVAL_S)


def listens(path: Path, timeout_s: float = REQUEST_TIMEOUT_S) -> bool:
    """Whether a process takes connections at a socket."""
    try:
        LineStream(path, timeout_s).close()
    except OSError:
        return False
    return True
