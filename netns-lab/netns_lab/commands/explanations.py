"""The command that takes frames apart: `explain`."""

from functools import partial
from typing import Annotated

import typer

from dataplane.macsec.secy import ValidateFrames
from netns_lab.completion import files, link_names
from netns_lab.directory import LabError
from netns_lab.options import FormatOption, Name, lab, need_root, output

LISTED_FRAMES = 1000


def explain(
    frames: Annotated[
        str,
        typer.Argument(
            metavar="FILE|HEX",
            help="pcap, pcapng, hex digits or raw octets; - for stdin.",
            autocompletion=files,
        ),
    ],
    frame: Annotated[
        int | None, typer.Option(min=1, help="Which frame of several.", show_default=False)
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(help="For the SecYs of this link, as they are now.", autocompletion=link_names),
    ] = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="With --link: ask the engine for its SAK, which is logged.")
    ] = False,
    sak: Annotated[
        str | None, typer.Option(metavar="HEX|@FILE", help="The key, to decrypt with.", show_default=False)
    ] = None,
    salt: Annotated[
        str | None, typer.Option(metavar="HEX", help="XPN: 12 octets.", show_default=False)
    ] = None,
    ssci: Annotated[int | None, typer.Option(help="XPN: of the sender.", show_default=False)] = None,
    cipher: Annotated[
        str | None, typer.Option(help="As in a topology; the one that fits the SAK.", show_default=False)
    ] = None,
    sci: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Of the receive SC; that of the frame.", show_default=False),
    ] = None,
    confidentiality_offset: Annotated[int, typer.Option(help="0, 30 or 50.")] = 0,
    validate: Annotated[
        ValidateFrames | None,
        typer.Option(help="validateFrames; every mode by default.", show_default=False),
    ] = None,
    replay_protect: Annotated[bool, typer.Option(help="Whether late frames are discarded.")] = True,
    replay_window: Annotated[int, typer.Option(help="Packets that a frame may come late by.")] = 0,
    next_pn: Annotated[int, typer.Option(min=1, help="The next packet number that is expected.")] = 1,
    clear_tags: Annotated[
        int | None,
        typer.Option(help="VLAN tags in front of the SecTAG; as many as there are.", show_default=False),
    ] = None,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Explain a frame, field by field.

    Prints every field and every bit of the SecTAG, what IEEE 802.1AE does with the frame and which counters
    rise: in each mode of validateFrames, and without the key under each presumption. With the key it shows
    what is inside, too. Of several frames it prints a list, and with --frame one of them. From tcpdump take
    -xx: -x leaves the Ethernet header out.

    \b
    Examples:
      ./quadlink explain '02000000000b02000000000a88e52c2a0000000102000000000a0001...'
      ./quadlink explain ch1.pcapng --frame 3 --sak @ch1.key --replay-window 64
      sudo ./quadlink explain ch1.pcapng --frame 3 --link ch1 --with-keys
    """
    from netns_lab.explain import brief_document, brief_table, document, text
    from netns_lab.explain import explain as explained
    from netns_lab.frame_input import first_frames, one_frame
    from netns_lab.receivers import ReceiverOptions, described, of_link

    options = ReceiverOptions(
        cipher,
        sci,
        sak,
        salt,
        ssci,
        confidentiality_offset,
        validate,
        replay_window,
        replay_protect,
        next_pn,
        clear_tags,
    )
    if with_keys and link is None:
        raise LabError("--with-keys goes with --link; without a lab give the key: --sak @FILE")
    if link is not None and options != ReceiverOptions(sak=sak, salt=salt):
        raise LabError("--link tells how the SecY is set: leave the others out but for --sak and --salt")
    if link is not None:
        need_root()
        ask = of_link(lab(name), link, options, with_keys)
    else:
        ask = partial(described, options)
    found, broken = ([one_frame(frames, frame)], None) if frame else first_frames(frames, LISTED_FRAMES + 1)
    explanations = [
        explained(number, recorded, ask(recorded.data))
        for number, recorded in enumerate(found[:LISTED_FRAMES], start=frame or 1)
    ]
    if len(found) == 1:
        (only,) = explanations
        output(format).document({"frames": [document(only)]}, text(only))
    else:
        documents = [brief_document(explanation) for explanation in explanations]
        output(format).document({"frames": documents}, brief_table(documents))
    if len(found) > LISTED_FRAMES:
        output(format).warn(f"these are the first {LISTED_FRAMES} frames; --frame N explains any")
    if broken is not None:
        raise broken
