"""Where a command ends: signals become exceptions, and what a user can mend becomes one sentence."""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from netns_lab.directory import LabError

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_command(command: Callable[[], None]) -> NoReturn:
    """Runs a command and exits: 0, the command's own code, an error's, or 128 and the signal's number.

    Signals end the command by an exception, so that what it made is taken down.
    """
    for number in INTERRUPTIONS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup(1) and a shell's background jobs have it
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
    """The first interruption ends the command; another must not end what takes down what it made."""
    for other in INTERRUPTIONS:
        signal.signal(other, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    os.write(sys.stderr.fileno(), b"quadlink: interrupted\n")  # print may be what was interrupted
    sys.exit(128 + number)
