"""How the command line talks to a lab's controller: one JSON request and one JSON answer a line."""

import json
import socket
from typing import Any

from netns_lab.directory import LabDirectory, LabError

REQUEST_TIMEOUT_S = 30.0
MAXIMUM_LINE_OCTETS = 1 << 24
Document = dict[str, Any]


class ControllerGone(LabError):
    """No controller answers."""


class ControllerClient:
    """Asks a lab's controller. A refused request raises LabError with the controller's sentence."""

    def __init__(self, directory: LabDirectory) -> None:
        self._lab = directory.name
        self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stream.settimeout(REQUEST_TIMEOUT_S)
        try:
            self._stream.connect(str(directory.controller_socket))
        except OSError as error:
            self._stream.close()
            raise ControllerGone(
                f"the controller of lab {self._lab} does not answer ({error.strerror}); its log is "
                f"{directory.log('controller')}; `quadlink down --name {self._lab}` ends what is left"
            ) from error
        self._reader = self._stream.makefile("rb")

    def __enter__(self) -> "ControllerClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._stream.close()

    def call(self, request: str, **arguments: object) -> Any:  # noqa: ANN401 - the JSON value of that request
        """The answer to a request."""
        try:
            self._stream.sendall(json.dumps({"request": request, "arguments": arguments}).encode() + b"\n")
            line = self._reader.readline()
        except OSError as error:
            raise ControllerGone(f"the controller of lab {self._lab} does not answer: {error}") from error
        if not line:
            raise ControllerGone(f"the controller of lab {self._lab} ended while it was asked")
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(answer["error"])
        return answer["result"]
