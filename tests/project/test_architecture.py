"""The rooms and their rule: imports run down. What is heavy is loaded when it is needed; without budgets nothing is."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from suites import outcomes

import pytest_modelbudget

PACKAGE = Path(pytest_modelbudget.__file__).parent
NAME = "pytest_modelbudget"

RULE = (
    "errors <- text <- values <- targets <- counting | judging | sources <- baseline <- grids <- report <- gate "
    "<- testing | cli"
)
"""From the bottom up. A room imports from those before it, and neighbours at a bar never from each other."""

FLOORS = [floor.split(" | ") for floor in RULE.split(" <- ")]
BOTTOM, TOP = ("_version", "errors"), ("__init__", "plugin")
"""The files beside the rooms: below all of them, and above."""


class Import(NamedTuple):
    importer: str
    imported: str
    lazy: bool
    typing: bool


def room(name: str) -> str:
    """``report`` for ``report.parts.tables``; a file beside the rooms is a room of its own."""
    return name.split(".")[0]


def floor(name: str) -> int:
    if room(name) in BOTTOM:
        return -1
    if room(name) in TOP:
        return len(FLOORS)
    return next(number for number, rooms in enumerate(FLOORS) if room(name) in rooms)


def modules(package: Path) -> dict[str, ast.Module]:
    """The files of the package by their dotted name, ``__init__`` included."""
    names = {".".join(path.relative_to(package).with_suffix("").parts): path for path in package.rglob("*.py")}
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in sorted(names.items())}


class Finder(ast.NodeVisitor):
    """All imports of a module: lazy ones and those for type checkers, too."""

    def __init__(self, module: str, known: set[str]) -> None:
        self.module, self.known = module, known
        self.ours: list[Import] = []
        self.others: list[Import] = []
        self._depth = 0
        self._typing = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_If(self, node: ast.If) -> None:
        before = self._typing
        self._typing = before or (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
        self.generic_visit(node)
        self._typing = before

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, "")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        package = self.module.split(".")[: -node.level] if node.level else []
        base = ".".join([*([NAME] if node.level else []), *package, *([node.module] if node.module else [])])
        for alias in node.names:
            self._add(base, alias.name)

    def visit_Call(self, node: ast.Call) -> None:
        """``import_module(f".{name}", __name__)``: what it loads is not told here, so that its file must be on top."""
        if ast.unparse(node.func).endswith("import_module"):
            self.others.append(Import(self.module, "importlib", self._depth > 0, self._typing))
        self.generic_visit(node)

    def _add(self, base: str, name: str) -> None:
        if room(base) != NAME:
            self.others.append(Import(self.module, base, self._depth > 0, self._typing))
            return
        inside = base.removeprefix(NAME).lstrip(".")
        found = f"{inside}.{name}".lstrip(".")
        for candidate in (found, f"{found}.__init__", inside, f"{inside}.__init__".lstrip(".")):
            if candidate in self.known:
                self.ours.append(Import(self.module, candidate, self._depth > 0, self._typing))
                return
        raise AssertionError(f"{self.module} imports {base} {name}, which is not there")


def imports(package: Path = PACKAGE) -> tuple[list[Import], list[Import]]:
    """Imports of our own modules, and of others, in the whole package."""
    known = modules(package)
    ours, others = [], []
    for name, tree in known.items():
        finder = Finder(name, set(known))
        finder.visit(tree)
        ours += finder.ours
        others += finder.others
    return ours, others


def upward(ours: list[Import]) -> list[Import]:
    """The imports that do not run down: to a higher floor, or to a neighbour."""
    apart = (one for one in ours if room(one.importer) != room(one.imported))
    return [one for one in apart if floor(one.imported) >= floor(one.importer) and floor(one.importer) < len(FLOORS)]


def circle(ours: list[Import]) -> list[str]:
    """Files that import one another in a circle, lazy imports and those for type checkers included."""
    graph: dict[str, set[str]] = {}
    for one in ours:
        if one.importer != "__init__" and one.importer != one.imported:
            graph.setdefault(one.importer, set()).add(one.imported)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


OURS, OTHERS = imports()


def test_every_file_is_in_a_room():
    known = {name for rooms in FLOORS for name in rooms}
    assert {room(name) for name in modules(PACKAGE)} == known | {*BOTTOM, *TOP}


def test_imports_run_down():
    assert len(OURS) > 300
    assert upward(OURS) == []


def test_imports_inside_counting_run_down():
    """Its folders, from the bottom up; the files beside them are above all of them."""
    order = ["pytorch", "operators", "meta", "sharded", "recording", "model", "leftovers"]
    inside = [
        (one.importer.split(".")[1:], one.imported.split(".")[1:]) for one in OURS if room(one.imported) == "counting"
    ]
    folders = [(a[0], b[0]) for a, b in inside if len(a) > 1 and a[0] in order]
    assert len(folders) > 50
    assert [pair for pair in folders if pair[1] not in order[: order.index(pair[0]) + 1]] == []


def test_no_import_goes_round_in_a_circle():
    assert circle(OURS) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("values/cost.py", "from ..report.count import count_text"),
        ("values/cost.py", "def late():\n    from ..report.count import count_text"),
        ("values/cost.py", "if TYPE_CHECKING:\n    from ..baseline.schema import Baseline"),
        ("counting/measure.py", "from ..judging.judge import judge"),
        ("cli/count.py", "from ..testing.state import CONFIG"),
        ("errors.py", "from .text.line import one_line"),
        ("judging/judge.py", "import pytest_modelbudget.grids.sweep"),
    ],
)
def test_a_planted_import_is_seen(tmp_path, file, line):
    package = tmp_path / NAME
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / file
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    found = upward(imports(package)[0])
    assert [one.importer for one in found] == [file.removesuffix(".py").replace("/", ".")]


def test_a_planted_circle_is_seen(tmp_path):
    package = tmp_path / NAME
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / "values/metrics.py"
    path.write_text(f"{path.read_text(encoding='utf-8')}\ndef late():\n    from .cost import Cost\n", encoding="utf-8")
    found = imports(package)[0]
    assert upward(found) == []
    assert {"values.cost", "values.metrics"} <= set(circle(found))


def test_modules_are_loaded_by_name_only_where_that_is_the_point():
    """By the public package for its names, by registries of what is in a folder, and for a user's TARGET."""
    by_name = {one.importer for one in OTHERS if one.imported == "importlib"}
    registries = {"counting.operators.__init__", "counting.meta.output_rules.__init__", "report.formats.__init__"}
    assert by_name <= {"__init__", "targets.loading", *registries}


@pytest.mark.parametrize(
    ("libraries", "allowed"),
    [
        (("torch", "fvcore", "numpy"), {"counting"}),
        (("torchvision", "timm"), set()),
        (("pytest", "_pytest", "pluggy"), {"testing", "__init__"}),
        (("tabulate",), {"text"}),
        (("jinja2", "matplotlib"), {"report"}),
        (("argparse",), {"cli"}),
        (("tqdm",), {"cli"}),
        (("pandas",), {"grids"}),
    ],
)
def test_a_library_is_imported_in_one_place(libraries, allowed):
    assert {room(one.importer) for one in OTHERS if room(one.imported) in libraries} == allowed


def private_names(tree: ast.Module) -> set[str]:
    """The private names of torch that a file looks up: ``torch._C``, ``from torch.overrides import _pop_mode``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    names = [name.split(".") for name in found if re.fullmatch(r"torch\.(?!ops\.)[\w.]+", name)]
    private = (parts for parts in names if any(part[0] == "_" and part[:2] != "__" for part in parts))
    return {".".join(parts) for parts in private if "Tensor" not in parts}


def test_private_names_of_torch_are_looked_up_in_two_files():
    """So that a new release of PyTorch breaks there. The other is for what only sharded models load.

    Loading the compiler, and methods of tensors, are none of them.
    """
    using = {name: private_names(tree) - {"torch._dynamo"} for name, tree in modules(PACKAGE).items()}
    assert [name for name, names in using.items() if names] == [
        "counting.pytorch.distributed",
        "counting.pytorch.private",
    ]
    assert "torch.utils._python_dispatch" in using["counting.pytorch.private"]


def test_nobody_prints_but_the_command():
    printing = set()
    for name, tree in modules(PACKAGE).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "print":
                printing.add(room(name))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr"):
                printing.add(room(name))
    assert printing == {"cli"}


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


def test_public_names_are_typed_where_they_are_loaded_from():
    """What a type checker reads is what is loaded: the same names, from the same files."""
    tree = modules(PACKAGE)["__init__"]
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.name: node.module
        for node in typed.body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
        if alias.name in pytest_modelbudget.__all__
    }
    assert imported == pytest_modelbudget._WHERE
    assert sorted([*imported, "__version__", "budget"]) == pytest_modelbudget.__all__


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
    import pytest_modelbudget.gate.evaluate
    import pytest_modelbudget.gate.subject

    def never(*args, **kwargs):
        raise AssertionError("measured")

    for name in ("evaluate", "build_on_meta", "names_its_model", "observe", "TestCase"):
        file = pytest_modelbudget.gate.evaluate if name in ("evaluate", "observe") else pytest_modelbudget.gate.subject
        monkeypatch.setattr(file, name, never)
    monkeypatch.setattr(pytest_modelbudget.counting.measure, "count", never)
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
