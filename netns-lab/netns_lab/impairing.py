"""The controller's part in impairments: it sets, clears and plays them, also those that it finds playing.

A direction of a link plays one trace at a time. A file in the lab's directory has what plays and since when,
so that the next controller goes on with it in time.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dataplane.client import EngineGone
from dataplane.interface import ImpairmentChanges, LinkError
from dataplane.lines import Document
from dataplane.links.specification import Impairment
from dataplane.whole_file import write_whole
from netns_lab.clock import wall_time
from netns_lab.directory import LabError
from netns_lab.event_log import EventKind
from netns_lab.impairment_player import Player
from netns_lab.impairment_trace import Step
from netns_lab.impairments import impairment_documents, impairments_text, late_text
from netns_lab.names import directions, unknown

if TYPE_CHECKING:
    from netns_lab.controller import Controller

NS_PER_S = 1e9
NS_PER_MS = 1e6
LEAST_PAUSE_S = 0.0005
"""Steps that follow closer than the controller can play them must leave it time for everything else."""
CLEARED = asdict(Impairment())
RECORD = ".play"
"""What a direction plays: on the first line what, where and since when, on the second the steps."""
Steps = list[tuple[int, ImpairmentChanges]]
log = logging.getLogger("impairing")


@dataclass(slots=True)
class Playback:
    """A trace that plays on the frames that `sender` sends on a link, and how late its changes were."""

    link: str
    sender: str
    receiver: str
    end: int
    file: str
    start_ns: int
    loop: bool
    steps: int
    player: Player
    record: Path
    task: asyncio.Task[None] = field(init=False, repr=False)
    made: int = 0
    late_sum_ns: int = 0
    late_max_ns: int = 0

    @property
    def direction(self) -> str:
        return f"{self.sender}-{self.receiver}"

    def as_json(self) -> Document:
        return {
            "from": self.sender,
            "to": self.receiver,
            "file": self.file,
            "since": wall_time(self.start_ns),
            "loop": self.loop,
            "steps": self.steps,
            "played": self.player.played,
            "late_ms_mean": round(self.late_sum_ns / max(self.made, 1) / NS_PER_MS, 3),
            "late_ms_max": round(self.late_max_ns / NS_PER_MS, 3),
        }

    def note(self, late_ns: int) -> None:
        """Takes down how late a change took effect."""
        self.made += 1
        self.late_sum_ns += late_ns
        self.late_max_ns = max(self.late_max_ns, late_ns)


class Impairing:
    """Changes impairments of a running lab; what a request does not name stays as it is."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._playing: dict[tuple[str, str], Playback] = {}

    def set(self, link: str, direction: str | None, changes: ImpairmentChanges) -> Document:
        """Changes both directions of a link, or one."""
        nodes, senders = self._senders(link, direction)
        one, other = ({**changes} if node in senders else {} for node in nodes)
        impairments = self._controller.running_engine().change_impairments(link, (one, other))
        documents = impairment_documents(nodes, impairments)
        text = (
            f"{link} is impaired: {impairments_text(documents)}" if documents else f"{link} is not impaired"
        )
        self._controller.log.add(EventKind.IMPAIRED, link, text, impairments=documents)
        return {"link": link, "impairments": documents}

    def show(self, link: str | None) -> Document:
        """One link, or all that are impaired or play."""
        if link is not None:
            self._senders(link, None)
        documents = []
        for state in self._controller.running_engine().links():
            nodes = [end.node for end in state.ends]
            impaired = impairment_documents(nodes, state.impairments)
            playing = [it.as_json() for it in self._chosen(state.name, nodes)]
            if state.name == link or (link is None and (impaired or playing)):
                documents.append(
                    {"name": state.name, "nodes": nodes, "impairments": impaired, "playing": playing}
                )
        return {"lab": self._controller.plan.name, "links": documents}

    def clear(self, link: str | None, direction: str | None) -> Document:
        """Ends what plays on a link, or on all, and impairs it no more."""
        cleared = []
        for shown in self.show(link)["links"]:
            _, senders = self._senders(shown["name"], direction)
            if any(it["from"] in senders for it in (*shown["impairments"], *shown["playing"])):
                cleared.append(shown["name"])
        for name in cleared:
            self.stop(name, direction)
            self.set(name, direction, CLEARED)
        return {"cleared": cleared}

    def play(self, link: str, direction: str | None, file: str, loop: bool, steps: Steps) -> Document:
        """Plays a trace from now on; `steps` are nanoseconds and what changes then."""
        _, senders = self._senders(link, direction)
        self._controller.running_engine()
        if playing := self._chosen(link, senders):
            raise LabError(
                f"link {link}: {playing[0].file} is playing on {playing[0].direction} already; "
                f"`quadlink impair stop {link}` ends it"
            )
        later = json.dumps(steps)
        start_ns = self._controller.now_ns()
        for sender in senders:
            head = {"link": link, "sender": sender, "file": file, "start_ns": start_ns, "loop": loop}
            playback = self._playback(head, steps)
            write_whole(playback.record, f"{json.dumps(head)}\n{later}\n")
            self._start(playback)
        text = f"{link} plays {file}, {len(steps)} steps{' again and again' if loop else ''}"
        self._controller.log.add(EventKind.TRACE_STARTED, link, text, senders=senders, file=file)
        return {"link": link, "from": senders, "file": file, "steps": len(steps), "loop": loop}

    def stop(self, link: str | None, direction: str | None) -> Document:
        """Ends what plays on a link, or on all, and leaves it impaired as it is."""
        if link is None:
            chosen = [*self._playing.values()]
        else:
            chosen = self._chosen(link, self._senders(link, direction)[1])
        for playback in chosen:
            self._cancel(playback, "was stopped")
        return {"stopped": [{"link": it.link, "direction": it.direction, "file": it.file} for it in chosen]}

    def resume(self) -> None:
        """Goes on with what an earlier controller played."""
        for path in self._controller.directory.path.glob(f"*{RECORD}"):
            try:
                head, steps = map(json.loads, path.read_text().splitlines())
                self._start(self._playback(head, steps))
            except (OSError, LabError, ValueError, KeyError, TypeError) as error:
                log.warning("%s is not played on: %s", path.name, error)
                path.unlink(missing_ok=True)

    def follow(self) -> None:
        """Ends what plays on links that the plan has no more: one of the same name may come in its place."""
        links = {link.name for link in self._controller.plan.links}
        for playback in [*self._playing.values()]:
            if playback.link not in links:
                self._cancel(playback, "ended with its link,")

    def detach(self) -> None:
        """Plays on nothing any more; the next controller does."""
        for playback in self._playing.values():
            playback.task.cancel()

    def _senders(self, link: str, direction: str | None) -> tuple[list[str], list[str]]:
        """The nodes of a link, and those of them whose frames are meant. Raises LabError."""
        links = {it.name: it for it in self._controller.plan.links}
        if link not in links:
            raise LabError(unknown("link", link, links))
        nodes = [end.node for end in links[link].ends]
        ways = dict(zip(directions(nodes), nodes, strict=True))
        if direction is None:
            return nodes, nodes
        if direction not in ways:
            raise LabError(f"link {link}: found direction {direction!r}, expected {' or '.join(ways)}")
        return nodes, [ways[direction]]

    def _chosen(self, link: str, senders: Sequence[str]) -> list[Playback]:
        return [it for it in self._playing.values() if it.link == link and it.sender in senders]

    def _playback(self, head: Document, steps: Steps) -> Playback:
        """What plays by a record's two lines. Raises LabError, ValueError, KeyError or TypeError."""
        link, sender = head["link"], head["sender"]
        nodes, _ = self._senders(link, None)
        end = nodes.index(sender)
        return Playback(
            link=link,
            sender=sender,
            receiver=nodes[1 - end],
            end=end,
            file=head["file"],
            start_ns=head["start_ns"],
            loop=head["loop"],
            steps=len(steps),
            player=Player([Step(*step) for step in steps], head["start_ns"], head["loop"]),
            record=self._controller.directory.path / f"{link}.{sender}{RECORD}",
        )

    def _start(self, playback: Playback) -> None:
        playback.task = asyncio.get_running_loop().create_task(self._play(playback))
        self._playing[playback.link, playback.sender] = playback

    async def _play(self, playback: Playback) -> None:
        player, now_ns = playback.player, self._controller.now_ns
        how = "ended"
        try:
            while (deadline_ns := player.next_deadline()) is not None:
                if due := player.advance(now_ns()):
                    changes = (due.changes, {}) if playback.end == 0 else ({}, due.changes)
                    self._controller.running_engine().change_impairments(playback.link, changes)
                    playback.note(now_ns() - due.deadline_ns)
                    await asyncio.sleep(LEAST_PAUSE_S)
                else:
                    await asyncio.sleep((deadline_ns - now_ns()) / NS_PER_S)
        except (LabError, LinkError, EngineGone) as error:
            how = f"ended: {error},"
        self._end(playback, how)

    def _cancel(self, playback: Playback, how: str) -> None:
        playback.task.cancel()
        self._end(playback, how)

    def _end(self, playback: Playback, how: str) -> None:
        del self._playing[playback.link, playback.sender]
        playback.record.unlink(missing_ok=True)
        told = playback.as_json()
        text = (
            f"{playback.file} on {playback.link} {playback.direction} {how} after {playback.player.played} "
            f"steps, {late_text(told)}"
        )
        self._controller.log.add(EventKind.TRACE_ENDED, playback.link, text, **told)
