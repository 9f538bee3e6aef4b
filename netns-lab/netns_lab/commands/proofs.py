"""The command that proves a topology's resilience."""

from pathlib import Path
from typing import Annotated

import typer

from netns_lab.completion import files
from netns_lab.options import EXIT_FAIL, FormatOption, need_root, no_name, output, some_seconds


def prove(
    file: Annotated[Path, typer.Argument(help="A topology file.", autocompletion=files)],
    failures: Annotated[int, typer.Option(help="How much fails at once.", min=1, max=2)] = 1,
    jobs: Annotated[
        int,
        typer.Option(help="Labs at once; more than one share the machine, and outages grow.", min=1, max=64),
    ] = 1,
    observe: Annotated[str, typer.Option(help="How long to watch each failure.")] = "1s",
    format: FormatOption = None,
) -> None:
    """Fail every link, router and group in turn, and see what survives.

    Runs throw-away labs of the topology under probes between all hosts. What the graph says each failure
    should do and what it did must agree; exit 1 where they differ.

    \b
    Examples:
      sudo ./quadlink prove netns-lab/topologies/quad.yaml
      sudo ./quadlink prove netns-lab/topologies/quad.yaml --failures 2 --jobs 2
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from netns_lab.planning import plan_lab
    from netns_lab.proof.report import proof_text
    from netns_lab.proof.run import prove as run_proof
    from netns_lab.topology import find_topology_file, load_topology

    no_name("prove")
    need_root()
    observe_s = some_seconds("--observe", observe)
    topology = load_topology(find_topology_file(file))
    plan = plan_lab(topology, lambda octets: bytes(octets))
    columns = (TextColumn("prove"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("prove", total=None)
        proof = run_proof(
            topology,
            plan,
            failures,
            observe_s,
            jobs,
            lambda done, total: progress.update(task, completed=done, total=total),
            lambda text: progress.console.print(f"prove: {text}"),
        )
    output(format).document(proof.as_json(), proof_text(proof))
    if not proof.holds:
        raise typer.Exit(EXIT_FAIL)
