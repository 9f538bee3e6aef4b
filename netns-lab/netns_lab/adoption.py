"""`quadlink adopt`: starts what is missing of a lab's own processes, which take over what they find."""

from collections.abc import Callable

from control.guard.channel import GuardEvents
from dataplane.client import EngineClient
from dataplane.lines import LineStream
from netns_lab.api import connect_controller
from netns_lab.daemons import start_controller, start_guard
from netns_lab.directory import LabDirectory, LabError


def adopt(directory: LabDirectory) -> list[str]:
    """The names of the processes that were started; LabError where there is no engine to go on with."""
    if not _answers(lambda: EngineClient(directory.engine_socket)):
        name = directory.name
        raise LabError(
            f"the engine of lab {name} ended, and every interface with it; `quadlink down --name {name}`, "
            "then `quadlink up`"
        )
    started = []
    if not _answers(lambda: GuardEvents(directory.guard_socket)):
        start_guard(directory)
        started.append("guard")
    if not _answers(lambda: connect_controller(directory)):
        start_controller(directory)
        started.append("controller")
    return started


def _answers(connect: Callable[[], EngineClient | GuardEvents | LineStream]) -> bool:
    try:
        connect().close()
    except OSError:
        return False
    return True
