"""`quadlink up --dry-run`: the plan of a topology, or what would change in a lab that runs. No secrets."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from netns_lab.difference import Difference
from netns_lab.directory import LabDirectory
from netns_lab.impairments import impairment_documents, impairments_text
from netns_lab.output import Output, table_text
from netns_lab.plan import InterfacePlan, LabPlan, LinkPlan, NodePlan, SessionPlan

Document = dict[str, Any]


def print_plan(plan: LabPlan, output: Output) -> None:
    """Prints nodes, links, interfaces, BGP sessions, programs and a summary, or all as one JSON document."""
    document = plan_document(plan)
    tables = (
        (("node", "kind", "namespace", "asn", "loopback", "announces"), _node_rows(document)),
        (("link", "type", "cipher", "end", "end", "impaired"), _link_rows(document)),
        (("interface", "link", "mac", "mtu", "addresses"), _interface_rows(document)),
        (("link", "family", "speaker", "speaker", "hold time s"), _session_rows(document)),
        (("node", "gets", "what"), _program_rows(document)),
    )
    texts = [table_text(columns, rows) for columns, rows in tables if rows]
    output.document(document, "\n\n".join([*texts, _summary(plan)]))


def print_difference(difference: Difference, output: Output) -> None:
    """Prints what `up` would do to a lab that runs, or the same as one JSON document."""
    name = difference.wanted.name
    lines = [str(change) for change in difference.changes]
    lines.append(f"`up` would change lab {name} so; nothing was changed" if lines else "nothing to change")
    document = {"lab": name, "changes": [change.as_json() for change in difference.changes]}
    output.document(document, "\n".join(lines))


def plan_document(plan: LabPlan) -> Document:
    """What `up` would make, as JSON types."""
    sessions = plan.sessions_by_link()
    return {
        "lab": plan.name,
        "directory": str(LabDirectory(plan.name).path),
        "nodes": [_node(node) for node in plan.nodes],
        "links": [_link(link, sessions.get(link.name, [])) for link in plan.links],
        "sessions": [_session(session) for session in plan.sessions],
    }


def _node(node: NodePlan) -> Document:
    return {
        "name": node.name,
        "kind": node.kind,
        "namespace": node.namespace,
        "asn": node.asn,
        "router_id": node.router_id if node.asn else None,
        "loopback": list(node.loopback),
        "announces": list(node.originate),
        "interfaces": [_interface(interface) for interface in node.interfaces],
        "default_routes": [
            {"family": route.family, "next_hops": [hop.address for hop in route.next_hops]}
            for route in node.default_routes
        ],
        "exec": list(node.exec),
        "services": [{"name": service.name, "cmd": service.command} for service in node.services],
        "files": [file.path for file in node.files],
    }


def _interface(interface: InterfacePlan) -> Document:
    return {
        "name": interface.name,
        "link": interface.link,
        "mac": interface.mac,
        "mtu": interface.mtu,
        "port": interface.port,
        "addresses": list(interface.addresses),
    }


def _link(link: LinkPlan, sessions: Iterable[SessionPlan]) -> Document:
    return {
        "name": link.name,
        "type": link.type,
        "cipher": link.macsec.settings.cipher if link.macsec else None,
        "macsec": {**asdict(link.macsec.settings), "given_sak": link.macsec.given_key is not None}
        if link.macsec
        else None,
        "endpoints": [{"node": end.node, "interface": end.name} for end in link.ends],
        "impairments": impairment_documents([end.node for end in link.ends], link.impairments),
        "sessions": [_session(session) for session in sessions],
    }


def _session(session: SessionPlan) -> Document:
    return {
        "family": session.family,
        "links": list(session.links),
        "speakers": [
            {"node": end.node, "address": end.address, "asn": end.asn, "hold_time_s": end.hold_time_s}
            for end in session.ends
        ],
    }


def _node_rows(document: Document) -> list[tuple[Any, ...]]:
    return [
        (
            node["name"],
            node["kind"],
            node["namespace"],
            node["asn"],
            " ".join(node["loopback"]),
            " ".join(node["announces"]) or None,
        )
        for node in document["nodes"]
    ]


def _link_rows(document: Document) -> list[tuple[Any, ...]]:
    return [
        (
            link["name"],
            link["type"],
            link["cipher"],
            *(f"{end['node']}:{end['interface']}" for end in link["endpoints"]),
            impairments_text(link["impairments"]),
        )
        for link in document["links"]
    ]


def _interface_rows(document: Document) -> list[tuple[Any, ...]]:
    return [
        (
            f"{node['name']}:{interface['name']}",
            interface["link"],
            interface["mac"],
            interface["mtu"],
            " ".join(interface["addresses"]),
        )
        for node in document["nodes"]
        for interface in node["interfaces"]
    ]


def _session_rows(document: Document) -> list[tuple[Any, ...]]:
    return [
        (
            " ".join(session["links"]),
            session["family"],
            *(f"{end['node']} {end['address']} AS{end['asn']}" for end in session["speakers"]),
            min(end["hold_time_s"] for end in session["speakers"]),
        )
        for session in document["sessions"]
    ]


def _program_rows(document: Document) -> list[tuple[Any, ...]]:
    rows = []
    for node in document["nodes"]:
        name = node["name"]
        rows += [(name, "file", path) for path in node["files"]]
        rows += [(name, "exec", command) for command in node["exec"]]
        rows += [(name, f"service {service['name']}", service["cmd"]) for service in node["services"]]
    return rows


def _summary(plan: LabPlan) -> str:
    kinds = Counter(link.type for link in plan.links)
    links = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    speakers = sum(node.asn is not None for node in plan.nodes)
    return (
        f"`up` would make lab {plan.name}: {len(plan.nodes)} namespaces, {len(plan.links)} links ({links}), "
        f"{len(plan.sessions)} BGP sessions between {speakers} speakers; nothing was made"
    )
