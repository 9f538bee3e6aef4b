"""The commands that hold an implementation against vectors: `conform macsec`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netns_lab.completion import files
from netns_lab.directory import LabError
from netns_lab.options import EXIT_FAIL, FormatOption, output

conform_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


class Engine(StrEnum):
    """Which implementations of the SecY are meant."""

    NATIVE = "native"
    REFERENCE = "reference"
    ALL = "all"


class Cipher(StrEnum):
    """Which library computes the native engine's AES-GCM."""

    AUTO = "auto"
    IPSEC_MB = "ipsec-mb"
    OPENSSL = "openssl"


@conform_app.command("macsec")
def conform_macsec(
    file: Annotated[
        Path, typer.Argument(help="Vectors, format quadlink-macsec-vectors/1.", autocompletion=files)
    ],
    engine: Annotated[
        Engine, typer.Option(help="The C core, the Python that it is checked against, or both.")
    ] = Engine.ALL,
    cipher: Annotated[
        Cipher, typer.Option(help="The C core's library; auto: each that this machine has.")
    ] = Cipher.AUTO,
    format: FormatOption = None,
) -> None:
    """Hold the MACsec engine against test vectors.

    Prints a line for each vector, with the octets, verdicts and counters that differ. Exit 1 when one does,
    2 when the file cannot be read or does not follow the format. docs/batches.md explains the format.

    \b
    Examples:
      ./quadlink conform macsec tests/vectors/macsec_frames.json
      ./quadlink conform macsec mine.json --engine native --cipher openssl --format json
    """
    from dataplane.macsec.secy import SecYError
    from netns_lab.macsec_conformance import implementations, run_vectors
    from netns_lab.macsec_vectors import read_vectors
    from netns_lab.output import table_text

    if engine is Engine.REFERENCE and cipher is not Cipher.AUTO:
        raise LabError(f"--cipher {cipher} is the native engine's, expected none with --engine reference")
    vectors = read_vectors(file)
    try:
        chosen = implementations(engine, cipher)
    except SecYError as unusable:
        raise LabError(f"--cipher: {unusable}") from None
    names = [each.name for each in chosen]
    results = list(run_vectors(vectors, chosen))
    failed = sum(not result.passed for result in results)
    document = {
        "file": str(file),
        "engines": names,
        "vectors": [
            {
                "list": result.list,
                "name": result.vector,
                "passed": result.passed,
                "differences": result.differences,
            }
            for result in results
        ],
        "total": {"vectors": len(results), "passed": len(results) - failed, "failed": failed},
    }
    table = table_text(
        ("list", "vector", *names, "differences"),
        [
            (
                result.list,
                result.vector,
                *("FAIL" if result.differences[name] else "pass" for name in names),
                result.summary,
            )
            for result in results
        ],
    )
    total = (
        f"{len(results)} vectors on {' and '.join(names)}: {len(results) - failed} passed, {failed} failed"
    )
    output(format).document(document, f"{table}\n{total}")
    if failed:
        raise typer.Exit(EXIT_FAIL)
