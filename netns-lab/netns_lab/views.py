"""What `inspect` and `up` are told of a lab: JSON documents of the controller's state and the kernel's."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dataplane.interface import EndState, LinkState
from dataplane.lines import Document
from dataplane.links.link import Counters, LinkCounters
from dataplane.macsec.counters import counters_by_name, linux_counters
from dataplane.namespace import NAMESPACE_DIRECTORY
from netns_lab.bfd_views import bfd_by_link, bfd_by_session
from netns_lab.expected_prefixes import expected_prefixes
from netns_lab.impairments import impairment_documents
from netns_lab.plan import ETHERNET, NodePlan
from netns_lab.processes import last_line
from netns_lab.rates import Readings, direction_documents
from netns_lab.session_views import session_document

if TYPE_CHECKING:
    from control.router import Router
    from control.session import Session
    from netns_lab.controller import Controller

EVENTS_SHOWN = 20
LONGEST_TURN_NS = 20_000_000
NS_PER_S = 1e9


class Views:
    """Reads a controller; changes nothing. `readings` are those of the counters."""

    def __init__(self, controller: Controller, counters: Counters) -> None:
        self._controller = controller
        self._counters = counters
        self.readings = Readings(counters, controller.now_ns)

    def inspect(self, topic: str) -> Document:
        """One topic's document but that of routes; `problems` names every process that is missing."""
        controller = self._controller
        body: dict[str, Any] = {
            "nodes": self.nodes,
            "links": self._links,
            "macsec": self._secys,
            "bgp": self._sessions,
            "faults": controller.faults.documents,
            "events": lambda: controller.log.last(EVENTS_SHOWN),
        }
        name = {"macsec": "secys", "bgp": "sessions"}.get(topic, topic)
        return self.summary() | {name: body[topic]()}

    def summary(self) -> Document:
        """What every topic begins with. Routes are left to who asks: `route_views.py`."""
        return {
            "lab": self._controller.plan.name,
            "pids": self._pids(),
            "problems": self.problems(),
        }

    def problems(self) -> list[str]:
        """What of the lab does not run."""
        controller = self._controller
        found = [
            f"ExaBGP of {name} does not run and is restarted with back-off; "
            f"it said: {last_line(router.speaker.log_path)}"
            for name, router in controller.routers.items()
            if router.speaker.pid is None and not router.speaker.held
        ]
        found += [problem for router in controller.daemons for problem in router.problems()]
        found += controller.services.problems()
        found += [
            f"namespace {node.namespace} was deleted; rebuild the lab: `quadlink down`, then `quadlink up`"
            for node in controller.plan.nodes
            if not (NAMESPACE_DIRECTORY / node.namespace).exists()
        ]
        if controller.engine is None:
            found.append("the engine ended: no link carries traffic; `quadlink down`, then `quadlink up`")
        return found

    async def missing(self) -> list[str]:
        """What keeps the lab from being ready: sessions that are not up, prefixes that were not heard.

        Others have their turn between sessions, each of which may have brought 100,000 prefixes, but not
        between any two: a lab may have hundreds, and all that goes on in it comes first each time.
        """
        now_ns = self._controller.now_ns
        found, turn_ns = self.problems(), now_ns()
        for name, router in list(self._controller.routers.items()):
            for session in list(router.router.sessions.values()):
                if now_ns() - turn_ns > LONGEST_TURN_NS:
                    await asyncio.sleep(0)
                    turn_ns = now_ns()
                if not session.up:
                    neighbor = f"{session.peer_node} over {session.link} ({session.neighbor})"
                    found.append(f"{name}: no session with {neighbor}")
                elif unheard := self._unheard(router.router, session):
                    more = f" and {len(unheard) - 1} more" if len(unheard) > 1 else ""
                    where = f"{session.peer_node} over {session.link}"
                    found.append(f"{name}: {unheard[0]}{more} not heard from {where}")
        found += [lack for router in self._controller.daemons for lack in router.missing()]
        found += self._bfd_not_up()
        return found

    def _bfd_not_up(self) -> list[str]:
        """BFD sessions of which the guard has both ends: what fails before they are up is found late."""
        told = self._controller.guard.bfd
        found = []
        for session in (session for link in self._controller.plan.links for session in link.bfd):
            keys = [(end.node, end.interface, session.family) for end in session.ends]
            ends = [told[key] for key in keys if key in told]
            if len(ends) == len(keys):
                found += [
                    f"{end.node}: BFD with {end.peer} over {end.interface} is {end.state}"
                    for end in ends
                    if end.state != "up"
                ]
        return found

    def _unheard(self, router: Router, session: Session) -> list[str]:
        """The prefixes that a neighbor is to announce and that have not come yet."""
        if peer := self._controller.routers.get(session.peer_node):
            return router.unheard(session.neighbor, peer.router)
        # What else its own program may announce, nobody here knows.
        heard = router.rib.prefixes_from(session.neighbor)
        plan, node = self._controller.plan, router.config.node
        planned = plan.session_with(node, session.neighbor)
        return [prefix for prefix in expected_prefixes(plan, planned, node) if prefix not in heard]

    def nodes(self) -> list[Document]:
        """Every node: where it lives and what it speaks."""
        documents = []
        for node in self._controller.plan.nodes:
            router = self._controller.routers.get(node.name)
            other = self._controller.daemons.get(node.name)
            speaker = router.speaker if router else other
            pid = speaker.pid if speaker else None
            documents.append(
                {
                    "name": node.name,
                    "kind": node.kind,
                    "namespace": node.namespace,
                    "asn": node.asn,
                    "bgp": _bgp_state(node, pid, router.speaker.held if router else other is None),
                    "daemon": node.daemon if node.asn is not None else None,
                    "daemon_pid": pid,
                    "exabgp_pid": pid if router else None,
                    "restarts": speaker.restarts if speaker else None,
                    "announces": len(router.router.originated)
                    if router
                    else len(node.originate)
                    if other
                    else None,
                    "addresses": list(self._controller.plan.hosts[node.name]),
                    "interfaces": [asdict(interface) for interface in node.interfaces],
                    "env": dict(node.env),
                    "services": [
                        {
                            "name": service.plan.name,
                            "state": service.state,
                            "pid": service.pid,
                            "restarts": service.restarts,
                        }
                        for service in self._controller.services.of(node.name)
                    ],
                }
            )
        return documents

    def _pids(self) -> Document:
        controller = self._controller
        return {
            "engine": controller.engine.pid if controller.engine else None,
            "guard": None if controller.guard.closed else controller.guard.pid,
            "controller": os.getpid(),
            "exabgp": {name: router.speaker.pid for name, router in controller.routers.items()},
            **self._daemon_pids(),
        }

    def _daemon_pids(self) -> Document:
        """Of every routing daemon that the lab has beside ExaBGP: its processes by node and name."""
        pids: Document = {}
        for router in self._controller.daemons:
            processes = {process.plan.name: process.pid for process in router.processes}
            pids.setdefault(router.node.daemon, {})[router.node.name] = processes
        return pids

    def _link_states(self) -> list[LinkState]:
        states = self._controller.link_states()
        self.readings.cover(states)
        return states

    def _counters_of(self, state: LinkState) -> LinkCounters:
        return LinkCounters.at(self._counters, state.slot)

    def _links(self) -> list[Document]:
        documents = []
        controller = self._controller
        bfd = bfd_by_link(controller.plan, controller.guard.bfd, controller.now_ns())
        if controller.engine is not None:
            controller.engine.count_unread()
        for state in self._link_states():
            counters = self._counters_of(state)
            directions = direction_documents(state, counters, self.readings.recent(state.slot))
            one, other = directions
            documents.append(
                {
                    "name": state.name,
                    "type": state.type,
                    "endpoints": [
                        {"node": end.node, "interface": end.interface, "carrier": _carrier(end)}
                        for end in state.ends
                    ],
                    "state": state.state,
                    "impairments": impairment_documents([end.node for end in state.ends], state.impairments),
                    "faults": [
                        {
                            "mode": fault.mode,
                            "from": None if fault.sender is None else state.ends[fault.sender].node,
                            "id": fault.id,
                        }
                        for fault in state.faults
                    ],
                    "macsec": self._macsec(state, counters),
                    "bfd": bfd.get(state.name, []),
                    "tx_frames": one["tx_frames"] + other["tx_frames"],
                    "rx_frames": one["rx_frames"] + other["rx_frames"],
                    "drops": {
                        reason: count + other["drops"][reason] for reason, count in one["drops"].items()
                    },
                    "directions": directions,
                }
            )
        return documents

    def _macsec(self, state: LinkState, counters: LinkCounters) -> Document | None:
        """Both ends together: the PN nearest to exhaustion, and counters summed."""
        if state.macsec is None:
            return None
        return {
            **asdict(state.macsec),
            "an": state.secys[0].an,
            "next_pn": max(secy.next_pn for secy in state.secys),
            "counters": counters_by_name(counters.secys[0] + counters.secys[1]),
        }

    def _secys(self) -> list[Document]:
        return [
            {
                "link": state.name,
                "node": end.node,
                **asdict(state.macsec),
                **asdict(secy),
                "counters": by_name,
                "linux_counters": linux_counters(by_name),
            }
            for state in self._link_states()
            if state.macsec is not None
            for end, secy, counters in zip(  # a raw end, the last, has no SecY
                state.ends, state.secys, self._counters_of(state).secys, strict=False
            )
            for by_name in (counters_by_name(counters),)
        ]

    def _sessions(self) -> list[Document]:
        controller = self._controller
        now_ns = controller.now_ns()
        documents = [
            session_document(router.router, name, session, now_ns)
            for name, router in controller.routers.items()
            for session in router.router.sessions.values()
        ]
        documents += [document for router in controller.daemons for document in router.session_documents()]
        bfd = bfd_by_session(controller.plan, controller.guard.bfd, now_ns)
        return [{"bfd": bfd.get((it["node"], it["neighbor"]), []), **it} for it in documents]


def _bgp_state(node: NodePlan, pid: int | None, dead: bool) -> str | None:
    """What the speaker of a node does; None where it has none of ours."""
    if node.asn is None or node.daemon == "external":
        return None
    return "running" if pid else "dead" if dead else "restarting"


def _carrier(end: EndState) -> bool | None:
    """Whether the interface at this end has carrier; None for a device of the machine, which sets its own."""
    return None if end.node == ETHERNET else end.carrier
