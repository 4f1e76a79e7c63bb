"""The `covey` command. Each command imports what it needs when it is called, so that help is quick."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from scripts.bench import bench_app
from scripts.diff import diff_command
from scripts.drill import drill_command
from scripts.evaluate import evaluate_command
from scripts.registry import registry_command
from scripts.run import run_command
from scripts.show import show_command
from scripts.simulate import simulate_command

EPILOG = "Exit status: 0 done, 1 a fault of covey, 2 a mistake in the call or the input, 130 interrupted."

app = typer.Typer(
    name="covey",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run_command)
app.command("show")(show_command)
app.command("diff")(diff_command)
app.command("simulate")(simulate_command)
app.command("evaluate")(evaluate_command)
app.command("drill")(drill_command)
app.command("registry")(registry_command)
app.add_typer(bench_app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"covey {version('covey')}")
        except PackageNotFoundError:
            print("covey, from a source folder that is not installed")
        raise typer.Exit


@app.callback()
def covey(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
) -> None:
    """Find the prompt families, and the campaigns behind them, that extract a model's capabilities."""
    context.obj = debug


def main() -> None:
    """Run the command line; what the terminal's encoding lacks comes as a backslash and its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
