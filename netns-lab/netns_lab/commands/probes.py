"""The command that sends probe packets through a lab."""

from typing import Annotated

import typer

from netns_lab.completion import node_names
from netns_lab.directory import LabError
from netns_lab.options import EXIT_FAIL, FormatOption, Name, lab, need_root, output, seconds

Node = Annotated[str, typer.Argument(metavar="NODE", autocompletion=node_names)]


def probe(
    node: Node,
    other: Node,
    rate: Annotated[int, typer.Option(min=1, max=1_000_000, help="Packets a second, each way.")] = 1000,
    size: Annotated[int, typer.Option(help="Octets of UDP payload, at least 18.")] = 64,
    flows: Annotated[int, typer.Option(help="UDP source ports, each way.")] = 32,
    for_time: Annotated[str, typer.Option("--for", help="How long.")] = "5s",
    ipv6: Annotated[bool, typer.Option("--ipv6", help="Instead of IPv4.")] = False,
    train: Annotated[
        int, typer.Option(help="Packets of a flow that the kernel gets as one and cuts, for high rates.")
    ] = 1,
    spin: Annotated[bool, typer.Option("--spin", help="Never sleep: precise, and takes two cores.")] = False,
    kernel_time: Annotated[
        bool,
        typer.Option(
            "--kernel-time", help="Latency to the network stack of the other node, not to its reader."
        ),
    ] = False,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Send packets between two nodes, both ways, and tell what became of them.

    Loss, duplicates and reordering (RFC 4737), the longest time that any flow had no arrival, and one-way
    latency: from just before a packet is sent until it is read, so waking up the receiver is in it, or, with
    --kernel-time, until it comes to the far network stack. Exit code 1 when nothing arrives one way.

    \b
    Examples:
      sudo ./quadlink probe aws-h1 gcp-h1
      sudo ./quadlink probe aws-h1 gcp-h1 --rate 10000 --flows 500 --for 1m --format json
      sudo ./quadlink probe aws-h1 gcp-h1 --rate 500000 --size 18 --train 32
    """
    from dataplane.probes.load import Load
    from netns_lab.names import read_names
    from netns_lab.probing import measure, show

    need_root()
    directory = lab(name)
    names = read_names(directory)
    ends = (names.node(node).name, names.node(other).name)
    duration_s = seconds("--for", for_time)
    try:
        load = Load(
            packets_per_s=2 * rate,
            size_octets=size,
            duration_s=duration_s,
            train=train,
            offload=train > 1,
            spin=spin,
            kernel_time=kernel_time,
        )
    except ValueError as error:
        raise LabError(f"probe: {error}") from None
    measured = measure(directory, ends, 6 if ipv6 else 4, flows, load)
    show(measured, output(format))
    if not measured.passed:
        raise typer.Exit(EXIT_FAIL)
