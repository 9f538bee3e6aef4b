"""The command line: what a user types, and the exit codes 0 pass, 1 fail, 2 usage or impossible."""

from typing import NoReturn

import typer

from netns_lab.boundary import run_command
from netns_lab.commands import (
    announcements,
    captures,
    conformance,
    explanations,
    faults,
    files,
    impairments,
    life,
    machine,
    measurements,
    measuring,
    nodes,
    pictures,
    probes,
    proofs,
    scenarios,
    shells,
    views,
)
from netns_lab.completion import prepare_answers
from netns_lab.options import FormatOption, Name, Options
from netns_lab.output import Format

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# What follows is another program's command line.
PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}

app.command()(files.init)
app.command()(files.validate)
app.command()(files.schema)
app.command()(life.up)
app.command()(life.down)
app.command()(life.gc)
app.command("deploy", hidden=True)(life.up)
app.command("destroy", hidden=True)(life.down)
app.command()(life.adopt)
app.command()(views.inspect)
app.command()(views.events)
app.command()(views.metrics)
app.command()(views.ping_all)
app.command()(pictures.graph)
app.command(context_settings=PASS_ON)(nodes.exec)
app.command()(nodes.shell)
app.command()(nodes.logs)
app.add_typer(faults.fail_app, name="fail", help="Break something, on purpose.")
app.command()(faults.heal)
app.add_typer(impairments.impair_app, name="impair", help="Delay, lose, reorder or slow the frames of links.")
app.command()(announcements.announce)
app.command()(announcements.withdraw)
app.command()(captures.capture)
app.add_typer(conformance.conform_app, name="conform", help="Hold an implementation against test vectors.")
app.command()(explanations.explain)
app.command()(machine.doctor)
app.command()(shells.completion)
app.command()(probes.probe)
app.command()(scenarios.run)
app.command()(proofs.prove)
app.command()(measuring.measure)
app.command()(measuring.timeline)
app.command()(measurements.demo)
app.command(context_settings=PASS_ON)(measurements.test)
app.command()(measurements.bench)


@app.callback()
def options(name: Name = None, format: FormatOption = None) -> None:
    """A laboratory for encrypted, redundant, BGP-routed interconnects on one Linux machine.

    \b
    Start here:
      sudo ./quadlink demo                   run the four-channel lab, cut a channel, print the outage
      ./quadlink init mylab                  write a topology to begin with
      sudo ./quadlink up netns-lab/topologies/quad.yaml
      sudo ./quadlink inspect links
      sudo ./quadlink fail link ch1
      sudo ./quadlink heal
      sudo ./quadlink down
    """
    Options.name = name
    Options.format = format or Format.TABLE


def main() -> NoReturn:
    """Runs the command line; a mistake the user can mend is one sentence and exit code 2."""
    prepare_answers()
    run_command(app)


if __name__ == "__main__":
    main()
