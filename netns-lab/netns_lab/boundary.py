"""Where a command ends: signals become exceptions, and what a user can mend becomes one sentence."""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from netns_lab.directory import LabError


def run_command(command: Callable[[], None]) -> NoReturn:
    """Runs a command and exits: 0, the command's own code, an error's, or 128 and the signal's number.

    Signals end the command by an exception, so that what it made is taken down.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        command()
    except LabError as error:
        print(f"{error.prefix}{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"quadlink: {error}", file=sys.stderr)
        sys.exit(LabError.exit_code)
    except KeyboardInterrupt:
        print("quadlink: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    sys.exit(0)


def _interrupt(number: int, frame: object) -> NoReturn:
    os.write(sys.stderr.fileno(), b"quadlink: interrupted\n")  # print may be what was interrupted
    sys.exit(128 + number)
