"""The links of a running lab, asked of its engine by commands that need no controller."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from dataplane.client import EngineClient, EngineGone
from dataplane.interface import LinkError, LinkState
from netns_lab.directory import LabDirectory, LabError
from netns_lab.names import unknown


@contextmanager
def asked_engine(directory: LabDirectory) -> Iterator[EngineClient]:
    """A connection to a lab's engine; what it refuses within the block, and its end, are a LabError."""
    try:
        with closing(EngineClient(directory.engine_socket)) as engine:
            yield engine
    except (EngineGone, LinkError) as error:
        raise LabError(str(error)) from None


def named_links(engine: EngineClient, names: Sequence[str]) -> list[LinkState]:
    """These links as they are now, each once. Raises LabError for a name that none has."""
    states = {state.name: state for state in engine.links()}
    for name in names:
        if name not in states:
            raise LabError(unknown("link", name, states))
    return [states[name] for name in dict.fromkeys(names)]
