"""Imports run one way, what is heavy is loaded only when it is needed, and a suite without budgets pays nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from suites import outcomes

import pytest_modelbudget

PACKAGE = Path(pytest_modelbudget.__file__).parent

LAYERS = [
    ["_version", "errors", "atomic", "peak"],
    ["units", "devices", "targets"],
    ["point", "throughput"],
    ["cost", "affine", "axes", "search"],
    ["core", "growth", "source", "scaling"],
    ["verdict", "remedy"],
    ["result"],
    ["baseline", "grid"],
    ["explain", "run_report", "diff", "history", "sweeps"],
    ["fits"],
    ["report"],
    ["marker", "config", "gate", "session"],
    ["options", "watched"],
    ["cli_grid"],
    ["cli", "listener", "plugin"],
]
"""From the bottom up: a module imports from layers below, from its own folder, and beside it without a cycle."""

LAZILY_UPWARD = {("cost", "report"), ("sweeps", "report"), ("fits", "report")}  # Cost.table and its like


class Import(NamedTuple):
    importer: str
    imported: str
    lazy: bool


def parts(name: str) -> str:
    """``report`` for ``report.tables``: folders are one."""
    return name.split(".")[0]


def module_names() -> list[str]:
    names = (path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(name) for name in names)


class Finder(ast.NodeVisitor):
    """All imports of a module, those for type checkers left out."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.ours: list[Import] = []
        self.others: list[Import] = []
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.others.append(Import(self.module, alias.name, self._depth > 0))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level == 0:
            self.others.append(Import(self.module, node.module or "", self._depth > 0))
            return
        package = self.module.split(".")[: -node.level]
        base = ".".join([*package, *([node.module] if node.module else [])])
        for alias in node.names:
            inside = f"{base}.{alias.name}" if base else alias.name
            self.ours.append(Import(self.module, inside if inside in module_names() else base, self._depth > 0))


def imports() -> tuple[list[Import], list[Import]]:
    """Imports of our own modules, and of others, in the whole package."""
    ours, others = [], []
    for name in module_names():
        finder = Finder(name)
        finder.visit(ast.parse((PACKAGE / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")))
        ours += finder.ours
        others += finder.others
    return ours, others


OURS, OTHERS = imports()


def layer(name: str) -> int:
    found = [i for i, names in enumerate(LAYERS) if parts(name) in names]
    assert found, f"{name} is in no layer yet: add it to LAYERS"
    return found[0]


def test_every_module_has_a_layer():
    known = {name for names in LAYERS for name in names}
    assert {parts(name) for name in module_names()} - {"__init__"} == known


def test_imports_run_one_way():
    found = [i for i in OURS if i.importer != "__init__" and parts(i.importer) != parts(i.imported)]
    assert len(found) > 50
    wrong = [
        i
        for i in found
        if layer(i.imported) > layer(i.importer)
        and not (i.lazy and (parts(i.importer), parts(i.imported)) in LAZILY_UPWARD)
    ]
    assert wrong == []


def test_no_import_goes_round_in_a_circle():
    graph: dict[str, set[str]] = {}
    for importer, imported, lazy in OURS:
        if not lazy:
            graph.setdefault(importer, set()).add(imported)
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize(
    ("libraries", "allowed"),
    [
        (("torch", "fvcore", "numpy"), {"core"}),
        (("torchvision", "timm"), set()),
        (("pytest", "_pytest", "pluggy"), {"listener", "plugin", "__init__"}),
        (("tabulate", "jinja2"), {"report"}),
        (("argparse",), {"cli", "cli_grid"}),
        (("tqdm",), {"cli_grid"}),
        (("pandas",), {"sweeps"}),
    ],
)
def test_a_library_is_imported_in_one_place(libraries, allowed):
    assert {parts(i.importer) for i in OTHERS if parts(i.imported) in libraries} == allowed


def test_what_loads_torch_is_loaded_lazily_by_the_plugin_and_the_command():
    """``core``, ``gate`` and ``watched`` load it, so only they import one another at the top."""
    loads = {"core", "gate", "watched"}
    eager = [i for i in OURS if not i.lazy and parts(i.imported) in loads]
    assert {parts(i.importer) for i in eager} == loads
    assert [i for i in OTHERS if i.importer == "__init__" and parts(i.imported) == "pytest" and not i.lazy] == []


def test_nobody_prints_but_the_command():
    printing = set()
    for name in module_names():
        tree = ast.parse((PACKAGE / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "print":
                printing.add(name)
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr"):
                printing.add(name)
    assert printing == {"cli", "cli_grid"}


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import pytest_modelbudget", ("torch", "pytest", "fvcore", "tabulate")),
        ("import pytest_modelbudget.plugin", ("torch", "fvcore", "numpy")),
        ("from pytest_modelbudget import budget; budget(flops=1)", ("torch", "fvcore")),
        ("from pytest_modelbudget import Cost, ModuleCost, BudgetError, UsageError", ("torch", "pytest")),
        ("import pytest_modelbudget.cli", ("torch", "pytest", "fvcore")),
    ],
)
def test_importing_is_light(code, unwanted):
    shown = f"{code}\nimport sys\nprint([name for name in {unwanted!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_public_names_are_there():
    """Each is loaded when it is used, and is what it says."""
    assert sorted(pytest_modelbudget.__all__) == dir(pytest_modelbudget)
    for name in pytest_modelbudget.__all__:
        assert getattr(pytest_modelbudget, name) is not None
    with pytest.raises(AttributeError, match="module 'pytest_modelbudget' has no attribute 'mesure'"):
        _ = pytest_modelbudget.mesure


PLAIN = """
import pytest

@pytest.fixture
def number():
    return 1

@pytest.mark.parametrize("other", [1, 2])
def test_passes(number, other):
    assert number <= other

def test_fails(number):
    assert number == 2

class TestIt:
    @pytest.mark.skip
    def test_skipped(self): ...

    @pytest.mark.xfail
    def test_xfailed(self):
        assert False

def test_as_written(request):
    assert request.node.obj is globals()["test_as_written"]
    assert request.node.fixturenames == ["request"]
    assert request.node.user_properties == []
"""


def test_a_suite_without_budgets_loads_nothing_heavy(pytester):
    pytester.makepyfile(test_plain=PLAIN)
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure():
            print("LOADED", [name for name in ("torch", "fvcore") if name in sys.modules])
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-v")
    result.stdout.fnmatch_lines(["plugins: *modelbudget*", "LOADED *[]"])


def test_a_suite_without_budgets_is_as_if_we_were_not_there(pytester, monkeypatch):
    """It measures nothing, prints nothing and leaves no file."""
    import pytest_modelbudget.counting.measure
    import pytest_modelbudget.testing.gate

    def never(*args, **kwargs):
        raise AssertionError("measured")

    for name in ("evaluate", "build_on_meta", "names_its_model", "observe", "TestCase"):
        monkeypatch.setattr(pytest_modelbudget.testing.gate, name, never)
    monkeypatch.setattr(pytest_modelbudget.counting.measure, "measure", never)
    pytester.makepyfile(test_plain=PLAIN)
    files = set(pytester.path.iterdir())
    lines = []
    for options in ([], ["-p", "no:modelbudget"]):
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-vv", *options)
        assert outcomes(result) == {"passed": 3, "failed": 1, "skipped": 1, "xfailed": 1}
        text = re.sub(r"in \d+\.\d+s", "", result.stdout.str())
        lines.append([line for line in text.splitlines() if not line.startswith("plugins:")])
    assert lines[0] == lines[1]
    assert {path for path in pytester.path.iterdir() if path.name != "__pycache__"} == files
