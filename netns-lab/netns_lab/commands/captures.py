"""The command that records what crosses links: `capture`."""

from typing import Annotated

import typer

from netns_lab.completion import capture_sides, files, link_directions, link_names
from netns_lab.directory import LabError
from netns_lab.options import EXIT_FAIL, FormatOption, Name, lab, need_root, octets, output, seconds
from netns_lab.output import choices

MAXIMUM_SNAP_OCTETS = 1 << 18


def capture(
    links: Annotated[list[str], typer.Argument(help="The links' names.", autocompletion=link_names)],
    side: Annotated[str, typer.Option(help="clear, wire or both.", autocompletion=capture_sides)] = "both",
    filter: Annotated[
        str | None,
        typer.Option(help="As of tcpdump, on each frame as it is at its side.", show_default=False),
    ] = None,
    direction: Annotated[
        str | None,
        typer.Option(
            metavar="A-B",
            help="Only what node A sends to B.",
            show_default=False,
            autocompletion=link_directions,
        ),
    ] = None,
    write: Annotated[
        str | None,
        typer.Option(
            "-w", "--write", metavar="FILE", help="Write pcapng; - is stdout.", autocompletion=files
        ),
    ] = None,
    snap: Annotated[
        int,
        typer.Option(min=1, max=MAXIMUM_SNAP_OCTETS, metavar="OCTETS", help="What is kept of a frame."),
    ] = MAXIMUM_SNAP_OCTETS,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="End after so many, each sight of a frame counted.", show_default=False),
    ] = None,
    for_time: Annotated[
        str | None, typer.Option("--for", help="End after this long.", show_default=False)
    ] = None,
    buffer: Annotated[
        str, typer.Option(help="Memory for frames that were not read yet; what finds none is counted.")
    ] = "64MB",
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Also write FILE.keys for Wireshark, which the engine logs.")
    ] = False,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Capture what crosses links.

    Shows each frame on the clear side where it is sent, on the wire, and on the clear side where it is
    received, with the SCI and the packet number that tell which belong together, and what dropped it. Ctrl-C
    ends it. Traffic waits for no capture: what finds no room in the buffer is counted.

    --with-keys makes FILE.keys, a folder of settings: WIRESHARK_CONFIG_DIR=FILE.keys tshark -r FILE decrypts
    the wire, with Wireshark 4.6 or later (4.4: one link, of gcm-aes-128).

    \b
    Examples:
      sudo ./quadlink capture ch1
      sudo ./quadlink capture ch1 ch2 -w channels.pcapng --for 10s
      sudo ./quadlink capture ch1 --side clear --filter 'tcp port 179' -w - | tshark -r -
    """
    from dataplane.captures.memory import CaptureSide
    from netns_lab.capture import CaptureRequest, capture_links

    if side not in list(CaptureSide):
        raise LabError(f"--side: found {side!r}, expected {choices(CaptureSide)}")
    request = CaptureRequest(
        links=tuple(links),
        side=CaptureSide(side),
        direction=direction,
        expression=filter,
        snap_octets=snap,
        buffer_octets=octets("--buffer", buffer),
        frames=count,
        for_s=seconds("--for", for_time) if for_time is not None else None,
        path=write,
        with_keys=with_keys,
    )
    need_root()
    if not capture_links(lab(name), request, output(format)):
        raise typer.Exit(EXIT_FAIL)
