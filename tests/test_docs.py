"""The documents keep to the code: commands, options, output files, pinned versions, the changelog."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from clustering import RunSettings
from clustering.run_directory import CONTENTS
from clustering.signals import SIGNALS
from scripts.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMMAND: Any = typer.main.get_command(app)  # of the click that typer carries
UsageError = typer.BadParameter.__mro__[1]
INSTALL = "python3.11 -m venv .venv && .venv/bin/pip install -c constraints.txt -e "


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def shell_lines(text: str) -> Iterator[str]:
    """Commands of the fenced shell blocks; a line that ends in a backslash goes on."""
    for block in re.findall(r"```(?:sh|bash|shell|console)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.removeprefix("$ ").strip()


def covey_calls(text: str) -> list[list[str]]:
    """The arguments of every `covey ...` in the shell blocks, whatever the path of the program."""
    calls = []
    for line in shell_lines(text):
        words = shlex.split(line, comments=True)
        starts = [i for i, word in enumerate(words) if Path(word).name == "covey"]
        for start in starts:
            rest = words[start + 1 :]
            ends = [i for i, word in enumerate(rest) if word in ("&&", "||", "|", ";", ">", "2>")]
            calls.append(rest[: ends[0]] if ends else rest)
    return calls


def commands() -> dict[str, Any]:
    return dict(COMMAND.commands)


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_has_help(name: str) -> None:
    command = commands()[name]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"


@pytest.mark.parametrize("name", commands())
def test_readme_mentions_every_command(name: str) -> None:
    assert f"covey {name}" in README


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_readme_mentions_every_output_file(name: str) -> None:
    assert name in README


@pytest.mark.parametrize("name", SIGNALS)
def test_readme_names_every_signal(name: str) -> None:
    assert SIGNALS[name].title.lower() in README.lower()


def test_readme_s_python_is_python_and_finds_its_names() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for node in (node for block in blocks for node in ast.walk(ast.parse(block))):
        if isinstance(node, ast.ImportFrom):
            assert node.module
            module = importlib.import_module(node.module)
            assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "RunSettings":
            assert {word.arg for word in node.keywords} <= {field.name for field in fields(RunSettings)}


def parse(arguments: list[str]) -> None:
    """Let the command line take the arguments apart without doing anything."""
    command, name, rest, context = COMMAND, "covey", list(arguments), None
    while True:
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None


def test_readme_commands_are_accepted() -> None:
    calls = covey_calls(README)
    assert {"run", "simulate"} <= {call[0] for call in calls}
    for call in calls:
        if not {"--help", "-h", "--version"} & set(call):
            parse(call)


@pytest.mark.parametrize(
    "wrong",
    [
        ["run"],
        ["run", "x", "--out", "y", "--no-such"],
        ["nonsense"],
        ["show"],
        ["bench", "nonsense"],
        ["bench", "quality", "--no-such"],
    ],
)
def test_the_check_of_commands_sees_a_wrong_one(wrong: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(wrong)


def test_readme_and_ci_have_the_two_commands() -> None:
    demo = (
        f"{INSTALL}. && .venv/bin/covey simulate --out demo/traffic --requests 40000 "
        "&& .venv/bin/covey run demo/traffic/requests.parquet --out demo/run"
    )
    tests = f"{INSTALL}'.[dev]' && .venv/bin/python -m pytest"
    said = " ".join(README.replace("\\\n", " ").split())
    assert demo in said
    assert tests in said
    assert tests in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_constraints_pin_every_dependency() -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["bench"]]
    names = {canonical(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]) for line in wanted}
    assert names <= pinned().keys()
    assert not {"covey", "pip", "setuptools"} & pinned().keys()
    assert not [name for name in pinned() if name.startswith("nvidia")]
    assert not [version for version in pinned().values() if "+" in version], "a local version cannot be found"


def test_changelog_and_version_agree() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert released[0] == PROJECT["project"]["version"]
    for name in commands():
        assert f"covey {name}" in changelog


def test_readme_has_no_placeholder() -> None:
    assert not re.findall(r"\b(?:TODO|TBD|FIXME|FIG[A-Z]+|XXX)\b", README)
