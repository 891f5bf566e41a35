"""What a count leaves in the process is undone: every place where code keeps a tensor is afterwards as before."""

from __future__ import annotations

import functools
import importlib
import math
import subprocess
import sys
import textwrap
import threading
import weakref
from collections import OrderedDict, deque

import pytest
import torch
from torch import nn

from pytest_modelbudget import ModelError, measure


def ones() -> torch.Tensor:
    return torch.ones(8)


class Net(nn.Module):
    """A layer, and a tensor that a function keeps elsewhere."""

    def __init__(self, keep, then=None):
        super().__init__()
        self.net, self.keep, self.then = nn.Linear(8, 8), keep, then

    def forward(self, x):
        out = self.net(x + self.keep().to(x.dtype))
        if self.then is not None:
            self.then(out)
        return out


class Holder:
    """An object of the process, with a class attribute, an attribute and an attribute that it has not yet."""

    shared = None

    def __init__(self):
        self.own = None


class Slotted:
    __slots__ = ("later", "own")

    def __init__(self):
        self.own = None


TABLE, NONE_YET, NESTED, LIST, QUEUE, ORDERED = {}, {"mask": None}, {"inside": {}}, [], deque(maxlen=3), OrderedDict()
SET: set[torch.Tensor] = set()
HOLDER, SLOTTED, LOCAL, WEAK = Holder(), Slotted(), threading.local(), weakref.WeakKeyDictionary()
KEPT = None


@functools.lru_cache
def bounded(n):
    return torch.ones(n)


@functools.cache
def unbounded(n):
    return (torch.ones(n), torch.zeros(n))


def in_table():
    if 8 not in TABLE:
        TABLE[8] = (torch.arange(8.0), {"ones": ones()})
    return TABLE[8][1]["ones"]


def in_a_name():
    global KEPT
    KEPT = ones() if KEPT is None else KEPT
    return KEPT


def under_none():
    if NONE_YET["mask"] is None:
        NONE_YET["mask"] = ones()
    return NONE_YET["mask"]


def nested():
    return NESTED["inside"].setdefault("deep", {}).setdefault(8, ones())


def in_a_list():
    LIST.append(ones())
    return LIST[-1]


def in_a_queue():
    QUEUE.append(ones())
    return QUEUE[-1]


def in_a_set():
    SET.add(ones())
    return next(iter(SET))


def ordered():
    return ORDERED.setdefault("mask", ones())


def on_a_class():
    if Holder.shared is None:
        Holder.shared = ones()
    return Holder.shared


def on_a_class_anew():
    if not hasattr(Holder, "anew"):
        Holder.anew = ones()
    return Holder.anew


def on_an_object():
    if HOLDER.own is None:
        HOLDER.own = ones()
    return HOLDER.own


def on_an_object_anew():
    if not hasattr(HOLDER, "anew"):
        HOLDER.anew = ones()
    return HOLDER.anew


def in_slots():
    if SLOTTED.own is None:
        SLOTTED.own, SLOTTED.later = ones(), ones()
    return SLOTTED.own + SLOTTED.later


def on_a_function():
    if not hasattr(on_a_function, "mask"):
        on_a_function.mask = ones()
    return on_a_function.mask


def by_default(n=8, cache={}):  # noqa: B006 - this is how it is done
    return cache.setdefault(n, ones())


def memoised(function):
    cache = {}

    def inner():
        if "mask" not in cache:
            cache["mask"] = function()
        return cache["mask"]

    return inner


enclosed = memoised(ones)


def in_a_thread_local():
    if not hasattr(LOCAL, "mask"):
        LOCAL.mask = ones()
    return LOCAL.mask


def by_weak_key():
    return WEAK.setdefault(HOLDER, ones())


def small_and_real():
    """It keeps its values on the meta device, in inference mode."""
    if "positions" not in TABLE:
        TABLE["positions"] = torch.arange(8)
    return TABLE["positions"]


def by_bounded_cache():
    return bounded(8)


def by_unbounded_cache():
    return unbounded(8)[0]


KEEPERS = [
    in_table, in_a_name, under_none, nested, in_a_list, in_a_queue, in_a_set, ordered, on_a_class, on_a_class_anew,
    on_an_object, on_an_object_anew, in_slots, on_a_function, by_default, enclosed, in_a_thread_local, by_weak_key,
    small_and_real, by_bounded_cache, by_unbounded_cache,
]  # fmt: skip
keepers = pytest.mark.parametrize("keep", KEEPERS, ids=lambda keep: keep.__name__)


def state() -> list[object]:
    """What all of these places hold, without a look at the tensors."""
    return [
        dict(TABLE), dict(NONE_YET), {key: dict(value) for key, value in NESTED.items()}, list(LIST), list(QUEUE),
        set(SET), dict(ORDERED), Holder.shared, hasattr(Holder, "anew"), dict(vars(HOLDER)), SLOTTED.own,
        hasattr(SLOTTED, "later"),
        dict(vars(on_a_function)), dict(by_default.__defaults__[1]), dict(vars(LOCAL)), dict(WEAK), KEPT,
        bounded.cache_info().currsize, unbounded.cache_info().currsize,
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def empty():
    """Each test begins and ends with nothing kept anywhere."""
    before = state()
    yield
    attributes = (vars(HOLDER), vars(on_a_function), vars(LOCAL))
    for container in (TABLE, NESTED["inside"], LIST, QUEUE, SET, ORDERED, *attributes):
        container.clear()
    by_default.__defaults__[1].clear()
    WEAK.clear()
    NONE_YET["mask"] = HOLDER.own = SLOTTED.own = Holder.shared = globals()["KEPT"] = None
    enclosed.__closure__[0].cell_contents.clear()
    for holder, name in ((Holder, "anew"), (SLOTTED, "later")):
        if hasattr(holder, name):
            delattr(holder, name)
    bounded.cache_clear()
    unbounded.cache_clear()
    assert state() == before


def read(out):
    out.sum().item()


def fail(out):
    raise ValueError("at the end")


def works(keep) -> None:
    """A user's own model that uses the same place runs, and trains."""
    model = Net(keep)
    model(torch.zeros(2, 8)).sum().backward()
    assert model.net.weight.grad is not None


@keepers
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_model(keep, mode):
    before = state()
    products = 1 if mode == "infer" else 2  # that of forward, and the gradient of the weight
    assert measure(Net(keep), inputs=(2, 8), mode=mode).macs == products * 2 * 8 * 8
    assert state() == before
    works(keep)


@keepers
@pytest.mark.parametrize("situation", ["falls back", "in bf16", "raises", "measured", "by a factory"])
def test_in_every_situation(keep, situation):
    before = state()
    if situation == "falls back":
        assert measure(Net(keep, read), inputs=(2, 8)).executed == "real"
    elif situation == "in bf16":
        measure(Net(keep), inputs=(2, 8), dtype="bf16")
    elif situation == "raises":
        with pytest.raises(ModelError, match="at the end"):
            measure(Net(keep, fail), inputs=(2, 8))
    elif situation == "measured":
        measure(Net(keep), inputs=(2, 8), measured=True)
    else:
        measure(lambda: (keep(), Net(keep))[1], inputs=(2, 8))
    assert state() == before
    works(keep)


@keepers
def test_what_the_user_had_there_stays(keep):
    """The very tensors that were kept before, with their values, are still kept after."""
    works(keep)
    before = state()
    measure(Net(keep), inputs=(2, 8))
    measure(Net(keep), inputs=(2, 8), mode="train")
    after = state()
    if keep not in (in_a_list, in_a_queue, in_a_set):  # they add one each time
        kept = keep()
        assert not kept.is_meta
        assert not kept.is_inference()
    assert str(after) == str(before)


def test_other_results_of_a_cache_stay():
    """Of a cache that is used for real, too, only what the count left is computed again."""
    kept = [bounded(3), bounded(4), *unbounded(3)]
    measure(Net(lambda: bounded(8) + unbounded(8)[0]), inputs=(2, 8))
    assert all(one is other for one, other in zip([bounded(3), bounded(4), *unbounded(3)], kept, strict=True))
    assert not bounded(8).is_meta
    for n in range(200):  # it forgets the oldest as before
        bounded(n)
    assert bounded.cache_info().currsize == 128


def test_a_cached_factory_gives_the_user_a_real_model():
    @functools.lru_cache
    def cached(width):
        model = nn.Linear(width, width)
        model.itself = [model]  # a cycle
        return model

    mine = cached(4)
    assert measure(lambda: cached(8), inputs=(2, 8)).macs == 2 * 8 * 8
    assert cached(4) is mine
    assert cached(8).weight.device.type == "cpu"
    trained = cached(8).weight.detach().clone()
    measure(lambda: cached(8), inputs=(2, 8), mode="train", optimizer="sgd", measured=True)
    assert torch.equal(cached(8).weight, trained)


def far_places():
    """Places that the modules around the model do not lead to, each as a function that keeps, and what it keeps."""
    cache, items, deep = {}, [], {"a": {"b": {"c": {"d": []}}}}

    def inside():
        return deep["a"]["b"]["c"]["d"]

    def by_default(kept=[]):  # noqa: B006
        kept.append(ones())
        return kept[-1]

    return {
        "a dictionary": (lambda: cache.setdefault("mask", ones()), lambda: len(cache)),
        "a tuple in a list": (lambda: items.append((1, ones())) or items[-1][1], lambda: len(items)),
        "deep": (lambda: inside().append(ones()) or inside()[-1], lambda: len(inside())),
        "a default": (by_default, lambda: len(by_default.__defaults__[0])),
    }


@pytest.mark.parametrize("place", ["a dictionary", "a tuple in a list", "deep", "a default"])
@pytest.mark.parametrize("then", [None, fail], ids=["counted", "raises"])
def test_places_that_are_far(place, then):
    keep, kept = far_places()[place]
    for _ in range(2):
        if then is None:
            measure(Net(keep), inputs=(2, 8))
        else:
            with pytest.raises(ModelError, match="at the end"):
                measure(Net(keep, then), inputs=(2, 8))
        assert kept() == 0
    works(keep)


def test_a_variable_of_an_enclosing_function_fails_by_name():
    """What it held before is not known, so that the count cannot leave it as it was."""

    def once():
        mask = "nothing yet"

        def inner():
            nonlocal mask
            mask = ones() if mask == "nothing yet" else mask
            return mask

        return inner

    with pytest.raises(ModelError, match="in a variable of an enclosing function"):
        measure(Net(once()), inputs=(2, 8))


def test_a_variable_that_is_computed_again_at_each_call_is_no_reason_to_fail():
    """The model is not the place: its attributes are given back whatever they hold."""

    class Last(nn.Linear):
        def forward(self, x):
            self.last = super().forward(x)
            return self.last

    model = Last(8, 8)
    model.register_forward_hook(lambda module, args, out: setattr(module, "seen", out))
    measure(model, inputs=(2, 8))
    assert not hasattr(model, "last")
    assert not hasattr(model, "seen")


MODULE = """
import torch
from torch import nn
T = torch.ones(3)
POSITIONS = torch.arange(3)
LAYER = nn.Linear(3, 3)
class Head(nn.Module):
    SCALE = torch.ones(4)
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 3)
    def forward(self, x):
        return LAYER(self.net(x * self.SCALE) + T)
"""

IMPORTS = {
    "from_a_factory": """
        def factory():
            from {name} import Head
            return Head()
        measure(factory, inputs=(2, 4))
    """,
    "by_import_module": """
        import importlib
        def factory():
            return importlib.import_module("{name}.part").Head()
        measure(factory, inputs=(2, 4))
    """,
    "in_forward": """
        class Late(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(4, 4)
            def forward(self, x):
                from {name}.part import LAYER
                return LAYER(self.net(x)[:, :3])
        measure(Late(), inputs=(2, 4))
    """,
    "in_inputs": """
        def inputs(batch):
            import {name}
            return torch.zeros(batch, 4)
        measure(nn.Linear(4, 4), batch=2, inputs=inputs)
    """,
    "under_the_users_own_contexts": """
        def factory():
            import {name}
            return nn.Linear(4, 4)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
            measure(factory, inputs=(2, 4))
    """,
}


@pytest.mark.parametrize("way", IMPORTS)
def test_a_module_that_is_imported_meanwhile_makes_real_tensors(way, tmp_path, monkeypatch):
    name = f"zoo_{way}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(MODULE)
    (tmp_path / name / "part.py").write_text(f"from {name} import LAYER, Head, T\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    code = "import torch\nfrom torch import nn\nfrom pytest_modelbudget import measure\n" + textwrap.dedent(
        IMPORTS[way]
    )
    exec(code.format(name=name), {"__name__": "of_the_test"})
    zoo = sys.modules.pop(name)
    sys.modules.pop(f"{name}.part", None)
    for tensor in (zoo.T, zoo.POSITIONS, zoo.Head.SCALE, zoo.LAYER.weight):
        assert tensor.device.type == "cpu"
        assert not tensor.is_inference()
    assert zoo.LAYER.weight.requires_grad
    zoo.Head()(torch.ones(2, 4)).sum().backward()
    assert zoo.LAYER.weight.grad is not None


def test_the_first_count_in_a_process_is_that_of_the_second():
    """What PyTorch imports during the first leaves no tensors alive."""
    script = textwrap.dedent("""
        from torch import nn
        from torch.utils.checkpoint import checkpoint
        from pytest_modelbudget import measure
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Sequential(nn.Linear(64, 64), nn.GELU()) for _ in range(4))
            def forward(self, x):
                for layer in self.layers:
                    x = checkpoint(layer, x, use_reentrant=False)
                return x
        counts = [measure(Net, inputs=(16, 64), mode="train", optimizer="none").memory for _ in range(2)]
        assert counts[0] == counts[1], counts
    """)
    subprocess.run([sys.executable, "-c", script], check=True)


LAZY_ZOO = """
from collections import OrderedDict

import torch


class Untouchable:
    \"\"\"An object that stands for another one that is not there, as a web framework's current request does.\"\"\"

    def __getattribute__(self, name):
        raise RuntimeError(f"not there: {name}")


class LazyTable(OrderedDict):
    \"\"\"Names of modules that are imported when they are looked up.\"\"\"

    def _load(self, *key):
        raise RuntimeError(f"loads {key}")

    __getitem__ = __iter__ = values = items = keys = __len__ = _load


UNTOUCHABLE, LAZY = Untouchable(), LazyTable()
OrderedDict.__setitem__(LAZY, "mask", None)


class Net(torch.nn.Linear):
    def forward(self, x):
        mask = torch.ones(8)
        OrderedDict.__setitem__(LAZY, "mask", mask)
        OrderedDict.__setitem__(LAZY, "new", mask)
        return super().forward(x + mask)
"""


def test_lazy_objects_of_a_module_are_not_loaded(tmp_path, monkeypatch):
    (tmp_path / "lazy_zoo.py").write_text(LAZY_ZOO, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    zoo = importlib.import_module("lazy_zoo")
    assert measure(zoo.Net(8, 8), inputs=(2, 8)).macs == 2 * 8 * 8
    assert list(OrderedDict.items(zoo.LAZY)) == [("mask", None)]


@pytest.mark.parametrize("before", [{}, {"mask": None}, {"mask": 3}], ids=str)
def test_an_attribute_of_a_thread_that_nobody_knew_is_named(before, monkeypatch):
    """Where it was is not known; the dictionary that Python keeps for the thread must stay."""
    local = threading.local()
    vars(local).update(before)
    monkeypatch.setattr(math, "hidden", [[[[[[local]]]]]], raising=False)

    def keep():
        there = math.hidden[0][0][0][0][0][0]
        there.mask = torch.ones(8)
        return there.mask

    for _ in range(3):
        with pytest.raises(ModelError, match=r"keeps tensors of the measurement in _local\.mask, and what was there"):
            measure(Net(keep), inputs=(2, 8))
        assert vars(local) == {"mask": None}
        local.other = "still a dictionary"
        del local.other
