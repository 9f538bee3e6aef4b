"""`quadlink inspect`: the controller's documents as tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netns_lab.api import ControllerClient, ControllerGone
from netns_lab.clock import local_time
from netns_lab.directory import LabDirectory
from netns_lab.impairments import impairments_text
from netns_lab.output import Output, compact, table_text
from netns_lab.route_views import (
    COLUMNS,
    EVERY,
    SUMMARY_COLUMNS,
    Chosen,
    route_document,
    route_rows,
    summary_rows,
)

Rows = Sequence[Sequence[Any]]
ORDINARY_COUNTERS = {
    "OutPktsProtected",
    "OutPktsEncrypted",
    "OutOctetsProtected",
    "OutOctetsEncrypted",
    "InPktsOK",
    "InOctetsValidated",
    "InOctetsDecrypted",
}
"""Of frames that were sent and delivered as they should; all others are told only where they count."""
MOST_NAMED = 4
_CARRIER = {True: "up", False: "down", None: "-"}


@dataclass(frozen=True, slots=True)
class Topic:
    """How one topic's JSON document becomes a table."""

    columns: tuple[str, ...]
    rows: Callable[[dict[str, Any]], Rows]


def _node_rows(document: dict[str, Any]) -> Rows:
    return [
        (
            node["name"],
            node["kind"],
            node["namespace"],
            node["asn"],
            node["bgp"],
            f"{node['daemon']} {node['daemon_pid'] or '-'}" if node["daemon"] else None,
            node["announces"],
            "; ".join(map(_service_text, node["services"])),
            " ".join(node["addresses"]),
        )
        for node in document["nodes"]
    ]


def _service_text(service: dict[str, Any]) -> str:
    pid = f" {service['pid']}" if service["pid"] else ""
    restarts = f" restarts {service['restarts']}" if service["restarts"] else ""
    return f"{service['name']} {service['state']}{pid}{restarts}"


def _link_rows(document: dict[str, Any]) -> Rows:
    rows = []
    for link in document["links"]:
        ends = [f"{end['node']}:{end['interface']}" for end in link["endpoints"]]
        carrier = "/".join(_CARRIER[end["carrier"]] for end in link["endpoints"])
        rates, bits, queued, latency_us = (
            [direction[name] for direction in link["directions"]]
            for name in ("frames_per_s", "rate_mbps", "queue_octets", "latency_us")
        )
        drops = ", ".join(f"{reason} {count}" for reason, count in link["drops"].items() if count)
        cipher = link["macsec"]["cipher"] if link["macsec"] else "-"
        rows.append(
            (
                link["name"],
                link["type"],
                *ends,
                link["state"],
                carrier,
                cipher,
                link["tx_frames"],
                link["rx_frames"],
                "/".join(map(compact, rates)),
                "/".join(compact(None if mbps is None else mbps * 1e6) for mbps in bits),
                "/".join(map(compact, queued)),
                "/".join(map(compact, latency_us)),
                drops or "none",
                impairments_text(link["impairments"]),
            )
        )
    return rows


def _macsec_rows(document: dict[str, Any]) -> Rows:
    rows = []
    for secy in document["secys"]:
        counters = secy["counters"]
        refused = ", ".join(
            f"{name} {count}" for name, count in counters.items() if count and name not in ORDINARY_COUNTERS
        )
        rows.append(
            (
                secy["link"],
                secy["node"],
                secy["cipher"],
                secy["cipher_library"],
                protection(secy),
                secy["an"],
                secy["next_pn"],
                counters["OutPktsEncrypted"] + counters["OutPktsProtected"],
                counters["InPktsOK"],
                refused or "none",
            )
        )
    return rows


def protection(macsec: dict[str, Any]) -> str:
    """What the SecYs of a link do for its frames."""
    if not macsec["protect"] or macsec["validate"] == "null":
        return "none"
    if not macsec["encrypt"]:
        return "integrity"
    offset = macsec["confidentiality_offset"]
    return f"encrypted from octet {offset}" if offset else "encrypted"


def _bgp_rows(document: dict[str, Any]) -> Rows:
    return [
        (
            session["node"],
            session["peer"],
            session["type"],
            session["link"],
            session["neighbor"],
            session["state"],
            "/".join(bfd["state"] for bfd in session["bfd"]) or "-",
            float(session["since_s"]),
            _prefixes_text(session),
            _policy_text(session["policy"]),
            session["warning"] or session["reason"] or "-",
        )
        for session in document["sessions"]
    ]


def _policy_text(policy: dict[str, Any]) -> str:
    """How this end treats the other, in a few words."""
    words = [f"{len(policy[way])} {way}" for way in ("import", "export") if policy[way]]
    words += ["next-hop-self"] * policy["next_hop_self"] + ["client"] * policy["route_reflector_client"]
    return ", ".join(words) or "-"


def _prefixes_text(session: dict[str, Any]) -> str:
    """How many prefixes a session has brought, of how many at most, and how many were left out."""
    limit = session["maximum_prefixes"]
    if limit is None:
        return str(session["prefixes"])
    refused = f", {limit['refused']} refused" if limit["refused"] else ""
    return f"{session['prefixes']}/{limit['count']}{refused}"


def _fault_rows(document: dict[str, Any]) -> Rows:
    return [
        (
            fault["kind"],
            fault["name"],
            fault["mode"] + (f" ({fault['phase']})" if fault["phase"] else ""),
            fault["direction"] or _reach_text(fault["nodes"], fault["links"]),
            fault["did"] + _attack_text(fault["attack"]),
            local_time(fault["since"]),
            "by `quadlink heal`" if fault["heals_in_s"] is None else f"{fault['heals_in_s']:.1f} s",
        )
        for fault in document["faults"]
    ]


def _reach_text(nodes: list[str], links: list[str]) -> str:
    """What a fault reaches: by name where that is little."""
    if len(nodes) + len(links) <= MOST_NAMED:
        return " ".join([*nodes, *links])
    numbers = ((len(nodes), "node"), (len(links), "link"))
    return ", ".join(f"{number} {what}{'s' if number > 1 else ''}" for number, what in numbers if number)


def _attack_text(attack: dict[str, Any] | None) -> str:
    if attack is None:
        return ""
    refused = ", ".join(f"{name} {count}" for name, count in attack["refused"].items())
    return f": {attack['frames']}, refused {refused or 'none'}"


def _event_rows(document: dict[str, Any]) -> Rows:
    return [(local_time(event["time"]), event["kind"], event["text"]) for event in document["events"]]


TOPICS = {
    "nodes": Topic(
        ("node", "kind", "namespace", "asn", "bgp", "daemon", "announces", "services", "addresses"),
        _node_rows,
    ),
    "links": Topic(
        (
            "link",
            "type",
            "end",
            "end",
            "state",
            "carrier",
            "cipher",
            "tx frames",
            "rx frames",
            "frames/s",
            "bit/s",
            "queue B",
            "added us",
            "drops",
            "impaired",
        ),
        _link_rows,
    ),
    "macsec": Topic(
        ("link", "node", "cipher", "library", "protection", "an", "next pn", "sent", "ok", "other"),
        _macsec_rows,
    ),
    "bgp": Topic(
        ("node", "peer", "type", "link", "neighbor", "state", "bfd", "for s", "prefixes", "policy", "reason"),
        _bgp_rows,
    ),
    "routes": Topic(SUMMARY_COLUMNS, summary_rows),
    "faults": Topic(("kind", "name", "mode", "what", "did", "since", "heals in"), _fault_rows),
    "events": Topic(("time", "kind", "what happened"), _event_rows),
}


ONE_BY_ONE = Topic(COLUMNS, route_rows)


@dataclass(frozen=True, slots=True)
class View:
    """One topic of one lab or of several: the document, the same as a table, what is wrong."""

    document: dict[str, Any]
    table: str
    problems: list[str]


def look(topic: str, directory: LabDirectory, chosen: Chosen = EVERY) -> View:
    """One topic of a lab, of its routes those that are chosen. Raises ControllerGone."""
    document = ask(topic, directory, chosen)
    shown = ONE_BY_ONE if chosen.within else TOPICS[topic]
    return View(document, table_text(shown.columns, shown.rows(document)), document["problems"])


def look_at_all(topic: str, directories: Sequence[LabDirectory]) -> View:
    """One topic of several labs; one whose controller does not answer is a problem of all."""
    documents, problems = [], []
    for directory in directories:
        try:
            document = ask(topic, directory)
        except ControllerGone as error:
            problems.append(str(error))
            continue
        documents.append(document)
        problems += [f"lab {directory.name}: {problem}" for problem in document["problems"]]
    rows = [(document["lab"], *row) for document in documents for row in TOPICS[topic].rows(document)]
    return View(
        {"labs": documents, "problems": problems}, table_text(("lab", *TOPICS[topic].columns), rows), problems
    )


def ask(topic: str, directory: LabDirectory, chosen: Chosen = EVERY) -> dict[str, Any]:
    """The document of a topic. Raises ControllerGone."""
    if topic == "routes":
        return route_document(directory, chosen)
    with ControllerClient(directory) as controller:
        document: dict[str, Any] = controller.call("inspect", topic=topic)
    return document


def show(view: View, output: Output) -> bool:
    """Prints a view; False when something is wrong."""
    output.document(view.document, view.table)
    for sentence in view.problems:
        output.warn(sentence)
    return not view.problems
