"""From one plan of a lab to another, in its namespaces and its engine: what comes first, then what goes.

Both halves can be done again after they were interrupted. What is in both plans is touched only where it
differs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from dataplane.interface import EngineInterface, LinkError
from dataplane.links.specification import EndSpecification, Impairment, LinkSpecification, PortType
from dataplane.namespace import NAMESPACE_DIRECTORY, OWN_NAMESPACE
from netns_lab.directory import LabDirectory, LabError
from netns_lab.impairments import difference
from netns_lab.keys import GivenKeys
from netns_lab.namespaces import create_namespace, delete_namespace, marked_namespaces, set_sysctls
from netns_lab.node_commands import run_commands
from netns_lab.node_files import remove_files, write_files
from netns_lab.node_network import configure_network, unconfigure_network
from netns_lab.plan import ETHERNET, LabPlan, LinkPlan, NodePlan
from netns_lab.processes import end_processes_inside

PROCESS_GRACE_S = 0.2
UNIMPAIRED = (Impairment(), Impairment())


def nothing(name: str) -> LabPlan:
    """The plan of a lab that is not there yet."""
    return LabPlan(name, (), (), {})


@contextmanager
def _refusals() -> Iterator[None]:
    """What the engine refuses is what the lab cannot be."""
    try:
        yield
    except LinkError as error:
        raise LabError(str(error)) from error


@_refusals()
def make(
    directory: LabDirectory,
    engine: EngineInterface,
    before: LabPlan,
    after: LabPlan,
    keys: GivenKeys,
    say: Callable[[str], None],
) -> None:
    """Makes what `after` has more, and brings what both have to how `after` has it. Raises LabError.

    `keys` are the given SAKs of new links; they are taken out as they are installed.
    """
    nodes = {node.name: node for node in before.nodes}
    links = {link.name: link for link in before.links}
    new_nodes = [node for node in after.nodes if node.name not in nodes]
    if new_nodes:
        say(f"making {_count(len(new_nodes), 'node')}")
    for node in new_nodes:
        create_namespace(node.namespace, directory.mark, node.sysctls)
    new_links = [link for link in after.links if link.name not in links]
    if new_links:
        say(f"joining them by {_count(len(new_links), 'link')}")
    for link in new_links:
        _add_link(engine, after, link, keys)
    _write_hosts(directory, after)
    for node in new_nodes:
        configure_network(node)
        write_files(directory, node)
    if with_commands := [node for node in new_nodes if node.exec]:
        say(f"running the commands of {_count(len(with_commands), 'node')}")
    for node in with_commands:
        run_commands(directory, node)
    for node in after.nodes:
        if node.name in nodes and node != nodes[node.name]:
            _change_node(nodes[node.name], node)
    for link in after.links:
        known = links[link.name].impairments if link.name in links else UNIMPAIRED
        one, other = map(difference, known, link.impairments)
        if one or other:  # what was set by hand stays where the topology says the same as before
            engine.change_impairments(link.name, (one, other))


@_refusals()
def unmake(directory: LabDirectory, engine: EngineInterface, before: LabPlan, after: LabPlan) -> None:
    """Removes what `after` has no more. Raises LabError."""
    links = {link.name for link in after.links}
    there = {state.name for state in engine.links()}
    for link in before.links:
        if link.name in there and link.name not in links:
            engine.remove_link(link.name)
    nodes = {node.name: node for node in after.nodes}
    for node in before.nodes:
        if node.name not in nodes:
            _remove_node(directory, node.name, node.namespace)
        elif node != nodes[node.name]:
            unconfigure_network(node, nodes[node.name])


@_refusals()
def clear_strangers(directory: LabDirectory, engine: EngineInterface, plan: LabPlan) -> None:
    """Removes what an interrupted change has left beside what the lab is planned to have."""
    links = {link.name for link in plan.links}
    for state in engine.links():
        if state.name not in links:
            engine.remove_link(state.name)
    namespaces = {node.namespace for node in plan.nodes}
    mark = directory.mark
    for namespace in [name for name, found in marked_namespaces().items() if found == mark]:
        if namespace not in namespaces:
            _remove_node(directory, namespace.removeprefix(f"{plan.name}-"), namespace)


def _change_node(before: NodePlan, after: NodePlan) -> None:
    """Of its interfaces only the new ones are configured: setting a MAC address again would stop traffic."""
    if before.sysctls != after.sysctls:
        set_sysctls(after.namespace, after.sysctls)
    known = {interface.name for interface in before.interfaces}
    new = tuple(interface for interface in after.interfaces if interface.name not in known)
    configure_network(replace(after, interfaces=new))


def _write_hosts(directory: LabDirectory, plan: LabPlan) -> None:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {name}" for name, addresses in plan.hosts.items() for address in addresses]
    directory.hosts.write_text("\n".join(lines) + "\n")


def _add_link(engine: EngineInterface, plan: LabPlan, link: LinkPlan, keys: GivenKeys) -> None:
    first, second = (
        EndSpecification(
            end.node,
            plan.node(end.node).namespace if end.node != ETHERNET else OWN_NAMESPACE,
            end.name,
            bytes.fromhex(end.mac.replace(":", "")),
            PortType(end.port),
            raw=end.node == ETHERNET,
        )
        for end in link.ends
    )
    macsec = link.macsec.settings if link.macsec else None
    specification = LinkSpecification(link.name, (first, second), link.mtu, macsec)
    engine.add_link(specification, keys.pop(link.name, None))


def _remove_node(directory: LabDirectory, name: str, namespace: str) -> None:
    while end_processes_inside(NAMESPACE_DIRECTORY / namespace, PROCESS_GRACE_S):
        pass  # one may have started another meanwhile
    delete_namespace(namespace, directory.mark)
    remove_files(directory, name)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
