"""No plain test's outcome depends on whether budgets ran before it: random suites of budgets and plain tests."""

from __future__ import annotations

from itertools import count

import pytest
import suites  # noqa: F401 - what a run loads is loaded once
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

HEADER = """
import functools
import torch
from torch import nn
import pytest
from pytest_modelbudget import budget, measure

X = torch.ones(2, 8)
TABLE, LIST = {}, []

class Holder:
    mask = None
    def __init__(self):
        self.mask = None

HOLDER = Holder()

@functools.lru_cache
def cached():
    return torch.ones(8)

def in_a_cache():
    return cached()

def in_a_table():
    if "mask" not in TABLE:
        TABLE["mask"] = torch.ones(8)
    return TABLE["mask"]

def on_a_class():
    if Holder.mask is None:
        Holder.mask = torch.ones(8)
    return Holder.mask

def on_an_object():
    if HOLDER.mask is None:
        HOLDER.mask = torch.ones(8)
    return HOLDER.mask

def in_an_import():
    from late import ONES
    return ONES

def nowhere():
    return torch.ones(8)

class Net(nn.Module):
    def __init__(self, keep, early, reads):
        super().__init__()
        self.net, self.norm, self.keep, self.reads = nn.Linear(8, 8), nn.BatchNorm1d(8), keep, reads
        if early:
            self.register_buffer("mask", keep())
    def forward(self, x):
        if self.reads and x.sum().item() > 1e9:
            return x
        return self.norm(self.net(x * self.keep()))

@functools.lru_cache
def shared(keep, early, reads):
    torch.manual_seed(0)
    return Net(keep, early, reads)
"""

BUDGETS = {
    "names a factory": """
@budget(model=lambda: Net({model}), inputs=(2, 8), flops={limit}{more})
def test_budget_{i}(): ...
""",
    "returns it": """
@budget(inputs=(2, 8), flops={limit}{more})
def test_budget_{i}():
    return Net({model})
""",
    "returns a shared one": """
@budget(inputs=(2, 8), flops={limit}{more})
def test_budget_{i}():
    return shared({model})
""",
    "names a shared one": """
@budget(model=lambda: shared({model}), inputs=(2, 8), flops={limit}{more})
def test_budget_{i}(): ...
""",
    "by the fixture": """
def test_budget_{i}(model_cost):
    assert model_cost(shared({late}), inputs=X{more}).flops <= {limit}
""",
    "measured": """
def test_budget_{i}():
    assert measure(Net({late}), inputs=X, measured=True{more}).flops <= {limit}
""",
}

PLAIN = {
    "trains": """
def test_plain_{i}():
    model = Net({model})
    model(X).sum().backward()
    assert model.net.weight.grad.device.type == "cpu"
""",
    "computes": """
def test_plain_{i}():
    torch.manual_seed(0)
    model = Net({model})
    torch.manual_seed(0)
    assert torch.equal(model(X), Net({model})(X))
    assert torch.equal({keep}(), torch.ones(8))
""",
    "looks at a shared one": """
def test_plain_{i}():
    model = shared({model})
    assert model.training and model.norm.num_batches_tracked == 0 and model.net.weight.grad is None
    assert model.net.weight.abs().sum() > 0 and model.state_dict()["net.bias"].device.type == "cpu"
    with torch.no_grad():
        model.eval()(X).square().sum()
    model.train()
""",
    "looks at what is kept": """
def test_plain_{i}():
    assert all(not t.is_meta and not t.is_inference() for t in [*TABLE.values(), *LIST] if t is not None)
    assert Holder.mask is None or Holder.mask.sum() == 8
    assert HOLDER.mask is None or HOLDER.mask.sum() == 8
    assert cached().sum() == 8
""",
    "depends on the order of plain tests": """
def test_plain_{i}():
    LIST.append(torch.ones(1))
    assert (len(LIST) + len(TABLE) + cached.cache_info().currsize) % 2
""",
}

models = st.tuples(
    st.sampled_from(["in_a_cache", "in_a_table", "on_a_class", "on_an_object", "in_an_import", "nowhere"]),
    st.booleans(),
    st.booleans(),
)
budgets = st.tuples(
    st.just("budget"),
    st.sampled_from(sorted(BUDGETS)),
    models,
    st.sampled_from([10_000, 1]),
    st.sampled_from(["", ", mode='train'"]),
)
plain = st.tuples(st.just("plain"), st.sampled_from(sorted(PLAIN)), models)
tests = st.lists(st.one_of(budgets, plain), min_size=2, max_size=7)
numbers = count()


def text_of(suite) -> str:
    parts = [HEADER]
    for i, (kind, form, model, *rest) in enumerate(suite):
        keep, early, reads = model
        values = {"i": i, "keep": keep, "model": f"{keep}, {early}, {reads}"}
        values["late"] = f"{keep}, False, {reads}"  # what the test's own code does, no measurement can undo
        if kind == "budget":
            values.update(limit=rest[0], more=rest[1])
        parts.append((BUDGETS if kind == "budget" else PLAIN)[form].format(**values))
    return "".join(parts)


def outcomes(pytester, file, *options) -> dict[str, str]:
    run = pytester.inline_run("-p", "no:cacheprovider", "-p", "no:randomly", "-q", *options, str(file))
    reports = run.getreports("pytest_runtest_logreport")
    return {report.nodeid: report.outcome for report in reports if report.when == "call" and "plain" in report.nodeid}


EVERYWHERE = [
    ("budget", "names a factory", ("in_a_cache", True, False), 10_000, ""),
    ("budget", "returns a shared one", ("in_a_table", True, True), 10_000, ", mode='train'"),
    ("budget", "by the fixture", ("on_a_class", False, False), 1, ""),
    ("budget", "measured", ("on_an_object", True, False), 10_000, ""),
    ("budget", "names a factory", ("in_an_import", False, False), 10_000, ""),
    *(("plain", form, ("in_a_table", True, True)) for form in sorted(PLAIN)),
]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(tests)
@example(EVERYWHERE)
@pytest.mark.filterwarnings("ignore")
def test_plain_tests_come_out_alike(pytester, suite):
    folder = pytester.path / f"suite_{next(numbers)}"
    folder.mkdir()
    (folder / "late.py").write_text("import torch\nONES = torch.ones(8)\n")
    file = folder / f"test_{folder.name}.py"
    file.write_text(text_of(suite))
    alone, after = outcomes(pytester, file, "-k", "plain"), outcomes(pytester, file)
    assert len(alone) == sum(kind == "plain" for kind, *_ in suite)
    assert after == alone
