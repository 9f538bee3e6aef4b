"""The command that runs scenarios."""

from pathlib import Path
from typing import Annotated

import typer

from netns_lab.completion import files
from netns_lab.directory import LabError
from netns_lab.options import EXIT_FAIL, FormatOption, Name, Options, lab, need_root, output, say


def run(
    scenario_files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scenario files.", autocompletion=files)
    ],
    junit: Annotated[
        Path | None, typer.Option(help="Also write JUnit XML to this file.", autocompletion=files)
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Keep what `timeline` draws, a new directory for each.",
            metavar="DIR",
            autocompletion=files,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draw by this seed and not by the file's.", min=0, show_default=False)
    ] = None,
    faults: Annotated[
        bool,
        typer.Option("--faults/--no-faults", help="Break nothing: what still passes then shows nothing."),
    ] = True,
    name: Name = None,
    format: FormatOption = None,
) -> None:
    """Run scenarios: break things at set times under traffic and hold the traffic against expectations.

    Each has a lab of its topology that lasts as long, or runs in the one that --name says, which is healed in
    the end. Exit 0 when all is as expected, 1 when an expectation failed, 2 when a scenario could not run.

    \b
    Examples:
      sudo ./quadlink run netns-lab/scenarios/single-cut.yaml
      sudo ./quadlink run netns-lab/scenarios/*.yaml --junit results.xml
    """
    from netns_lab.recording import refuse_taken
    from netns_lab.scenarios.junit import write_junit
    from netns_lab.scenarios.loading import load_scenario
    from netns_lab.scenarios.running import report, run_all

    need_root()
    scenarios = [load_scenario(path, seed) for path in scenario_files]
    if not faults:
        scenarios = [scenario.without_faults() for scenario in scenarios]
    if junit is not None and not junit.absolute().parent.is_dir():
        raise LabError(f"--junit {junit}: no directory {junit.parent}")
    if save is not None:
        for scenario in scenarios:
            refuse_taken(save / scenario.name)
    chosen = name or Options.name
    lab_name = lab(chosen).name if chosen else None
    results = run_all(scenarios, lab_name, lambda text: say(f"run: {text}"), save)
    report(results, output(format))
    if junit is not None:
        write_junit(results, junit)
    if any(result.error for result in results):
        raise typer.Exit(LabError.exit_code)
    if not all(result.passed for result in results):
        raise typer.Exit(EXIT_FAIL)
