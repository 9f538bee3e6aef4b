"""`quadlink gc`: finds what dead labs left behind and removes it, and touches no lab that lives."""

from contextlib import suppress

from netns_lab.claim import Claim
from netns_lab.directory import LabDirectory, lab_folders, place_of_labs
from netns_lab.namespaces import marked_namespaces
from netns_lab.processes import marked_processes
from netns_lab.teardown import Removed, remove


def collect() -> list[Removed]:
    """Removes all that carries the mark of a lab that nobody builds and nothing serves; what that was."""
    orphaned = _marks_in_use()
    removed = []
    for folder, mark in lab_folders():
        orphaned.discard(mark)
        # Whoever builds a lab claims its directory.
        with suppress(BlockingIOError, FileNotFoundError), Claim(folder):
            if not LabDirectory(folder.name).is_served():
                removed += remove(mark)
    for mark in sorted(orphaned):
        removed += remove(mark)
    return removed


def find() -> set[str]:
    """The marks that `collect` would remove everything of."""
    marks = _marks_in_use()  # before the folders, or a lab that is just being made would look like an orphan
    folders = list(lab_folders())
    dead = {mark for folder, mark in folders if LabDirectory(folder.name).is_dead()}
    return dead | (marks - {mark for _, mark in folders})


def _marks_in_use() -> set[str]:
    """The marks of namespaces and processes, but for those of labs that are somebody else's to judge.

    A container keeps its labs in a directory of its own: whether they live cannot be seen from here.
    """
    here, elsewhere = set(marked_namespaces().values()), set()
    own_place = place_of_labs()
    for pid, marks in marked_processes().items():
        place = place_of_labs(pid)
        if place == own_place:
            here |= marks
        elif place is not None:
            elsewhere |= marks
    return here - elsewhere
