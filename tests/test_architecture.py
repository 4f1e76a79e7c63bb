"""The house's rules: who imports whom, what an import may load, how long files and functions may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("embedder", "index", "clustering", "scripts")
MAY_IMPORT = {
    "embedder": {"embedder"},
    "index": {"index"},
    "clustering": {"clustering", "embedder", "index"},
    "scripts": set(PACKAGES),
}
HEAVY = (
    "torch",
    "umap",
    "sentence_transformers",
    "transformers",
    "matplotlib",
    "hdbscan",
    "bokeh",
    "sklearn",
    "phonenumbers",
    "detect_secrets",
    "email_validator",
    "pydantic_extra_types",
)
MAX_FILE_LINES, MAX_FUNCTION_LINES = 500, 40
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
BANNED_CALLS = {"pickle.load", "pickle.loads", "torch.load", "joblib.load", "eval", "exec", "np.random.seed"}

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that a module imports anywhere, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def called(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its `def` to its end, less its docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 60
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(PACKAGES)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_packages_import_downwards_only(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = set(imported(tree_of(path))) & {*PACKAGES, "tests"}
    assert ours <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_runs_code_from_data_or_reseeds_others(path: Path) -> None:
    for name, call in called(tree_of(path)):
        assert name not in BANNED_CALLS, f"line {call.lineno}"
        for keyword in call.keywords:
            value = keyword.value
            trusted = keyword.arg == "trust_remote_code" and not (
                isinstance(value, ast.Constant) and value.value is False
            )
            pickled = (
                keyword.arg == "allow_pickle" and isinstance(value, ast.Constant) and value.value is True
            )
            assert not trusted, f"line {call.lineno}"
            assert not pickled, f"line {call.lineno}"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    long = {f"{each.name} line {each.lineno}": code_lines(each) for each in functions}
    assert {name: n for name, n in long.items() if n > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_modules_open_with_what_they_are_and_print_nothing(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree), "a module opens with its contract"
    if path.relative_to(ROOT).parts[0] != "scripts":
        assert "print" not in {name for name, _ in called(tree)}


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name_of)
def test_names_say_something(path: Path) -> None:
    parts = {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    words = {word for part in parts for word in part.split("_")}
    assert not words & BANNED_NAMES


def test_no_test_is_shadowed_by_another_of_its_name() -> None:
    for path in TESTS:
        names = [node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef)]
        assert len(names) == len(set(names)), path.name


@pytest.mark.parametrize("package", [*PACKAGES, "clustering.simulation", "clustering.report", "scripts.cli"])
def test_importing_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
