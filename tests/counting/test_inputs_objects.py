"""Objects in ``inputs=`` are the user's: a model gets copies, with all in them where it was, and may do as it likes."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import OrderedDict, UserDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from counting import fingerprint
from counting.layer_and_call import Net
from hypothesis import given, settings
from hypothesis import strategies as st
from one_attempt import attempt
from torch import nn
from transformers import BatchEncoding, BertConfig, BertModel, DynamicCache, LlamaConfig, LlamaForCausalLM
from transformers.modeling_outputs import BaseModelOutput

from pytest_modelbudget import UsageError, measure, tensor

ROW = 8 * 8  # multiply-adds for each row of an input


@dataclass
class Batch:
    x: Any
    more: Any = None


@dataclass(frozen=True)
class Frozen:
    x: Any
    more: Any = None


@dataclass(frozen=True)
class FrozenSlots:
    __slots__ = ("more", "x")
    x: Any
    more: Any

    def __getstate__(self):
        return self.x, self.more

    def __setstate__(self, state):
        for name, value in zip(("x", "more"), state, strict=True):
            object.__setattr__(self, name, value)


class Slots:
    __slots__ = ("__weakref__", "more", "x")

    def __init__(self, x, more=None):
        self.x, self.more = x, more


class MoreSlots(Slots):
    __slots__ = ("unset",)


class Pair(NamedTuple):
    x: Any
    more: Any = None


class Keyed(UserDict):
    """A dictionary that can be read by attribute, as a tokenizer's batch."""

    def __getattr__(self, name):
        if name == "data":
            raise AttributeError(name)
        return self.data[name]


class Store:
    """The store of a `Graph`, which knows its graph by a weak reference, as in torch_geometric."""

    def __init__(self, parent):
        self.content = {}
        self.parent = weakref.ref(parent)

    def __getstate__(self):
        return {"content": self.content, "parent": self.parent()}

    def __setstate__(self, state):
        self.content, self.parent = state["content"], weakref.ref(state["parent"])


class Graph:
    """A data object like torch_geometric's: attributes are in a store, and calling it gives them one by one."""

    def __init__(self, **content):
        self.__dict__["store"] = Store(self)
        self.store.content.update(content)

    def __getattr__(self, name):
        if name == "store" or name not in self.store.content:
            raise AttributeError(name)
        return self.store.content[name]

    def __setattr__(self, name, value):
        self.store.content[name] = value

    def __call__(self, *names):
        yield from self.store.content.items()


class TensorMap(Mapping):
    """A mapping that acts as a tensor, like a TensorDict."""

    def __init__(self, **content):
        self.content = content

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return NotImplemented

    def __getitem__(self, name) -> Any:
        return self.content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)


class Linked:
    """A node that knows its parent and children."""

    def __init__(self, x, parent=None):
        self.x, self.parent, self.children = x, parent, []
        if parent is not None:
            parent.children.append(self)


def written(layer, data):
    """As people do with data objects: the output takes the place of the input."""
    data.x = layer(data.x)
    return data.x


def written_by_key(layer, data):
    data["x"] = layer(data["x"])
    return data["x"]


def grown(layer, data):
    """A cache that grows: what it held and the new rows go through the layer."""
    y = layer(data.x)
    data.more.append(y)
    return layer(torch.cat(data.more))


def read(layer, data):
    return layer(data.x.mul_(0) if torch.is_inference_mode_enabled() else data.x)


def x():
    return torch.ones(2, 8)


OBJECTS = {
    "dataclass": (lambda: Batch(x()), written, 2),
    "dataclass in a dataclass": (lambda: Batch(Batch(x())), lambda layer, data: written(layer, data.x), 2),
    "frozen dataclass": (lambda: Frozen(x()), read, 2),
    "frozen dataclass with slots": (lambda: FrozenSlots(x(), [1]), read, 2),
    "slots": (lambda: Slots(x()), written, 2),
    "slots of a base class": (lambda: MoreSlots(x(), {"deep": x()}), written, 2),
    "slots that grow": (lambda: Slots(x(), [x()]), grown, 2 + 4),
    "NamedTuple": (lambda: Pair(x()), read, 2),
    "NamedTuple that grows": (lambda: Pair(x(), [x(), x()]), grown, 2 + 6),
    "UserDict": (lambda: (UserDict(x=x()),), written_by_key, 2),
    "UserDict in another": (lambda: (UserDict(d=UserDict(x=x())),), lambda layer, d: written_by_key(layer, d["d"]), 2),
    **(
        {"UserDict with attributes": (lambda: (Keyed(x=x()),), written_by_key, 2)}
        if sys.version_info >= (3, 11)  # before, copy.copy asks it for `__getstate__`, which is a KeyError
        else {}
    ),
    "dict": (lambda: ({"x": x()},), written_by_key, 2),
    "dict of dicts": (lambda: ({"deep": {"x": x()}},), lambda layer, data: written_by_key(layer, data["deep"]), 2),
    "OrderedDict": (lambda: (OrderedDict(x=x()),), written_by_key, 2),
    "defaultdict": (lambda: (defaultdict(list, x=x()),), lambda layer, data: layer(data["x"] + len(data["new"])), 2),
    "SimpleNamespace": (lambda: SimpleNamespace(x=x()), written, 2),
    "list": (lambda: [x(), x()], lambda layer, data: layer(data.pop()), 2),
    "deque": (lambda: (deque([x()], maxlen=3),), lambda layer, data: layer(data.popleft()), 2),
    "set": (lambda: ({x()},), lambda layer, data: layer(data.pop()), 2),
    "graph": (lambda: Graph(x=x(), edges=torch.zeros(2, 3, dtype=torch.int64)), written, 2),
    "graph in a tuple": (lambda: (Graph(x=x()),), written, 2),
    "graph that knows itself": (lambda: Graph(x=x()), lambda layer, g: written(layer, g.store.parent()), 2),
    "mapping that acts as a tensor": (lambda: TensorMap(x=x()), lambda layer, data: layer(data["x"]), 2),
    "model output": (lambda: (BaseModelOutput(last_hidden_state=x()),), lambda layer, o: layer(o.last_hidden_state), 2),
    "batch encoding": (lambda: (BatchEncoding({"x": x()}),), written_by_key, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_measured_and_left_as_it_was(name):
    make, call, rows = OBJECTS[name]
    inputs = make()
    before = fingerprint.of_model(inputs)
    model = Net(call)
    assert [measure(model, inputs=inputs).macs for _ in range(3)] == [rows * ROW] * 3
    for real in (False, True):
        assert attempt(model, inputs=inputs, real=real, grad=True).macs == rows * ROW
    measure(model, inputs=inputs, mode="train")
    assert measure(model, inputs=inputs, measured=True).measured is not None
    assert fingerprint.differences(before, fingerprint.of_model(inputs)) == []


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_counted_in_the_dtype_asked_for(name):
    """Floating tensors in it are converted, integers are not. The sum of both inputs of a product would fail else."""
    make, call, rows = OBJECTS[name]
    inputs = make()
    before = fingerprint.of_model(inputs)
    cost = measure(Net(call), inputs=inputs, dtype="bf16")
    assert cost.macs == rows * ROW
    assert "bfloat16 (2, 8)" in cost.inputs
    assert "float32" not in cost.inputs
    assert fingerprint.differences(before, fingerprint.of_model(inputs)) == []


@pytest.mark.parametrize("name", OBJECTS)
def test_the_bytes_of_an_object_are_inputs(name):
    """Each tensor is 2 x 8 floats of 4 bytes; the graph's edges are 2 x 3 integers of 8."""
    tensors = {"slots of a base class": 2, "slots that grow": 2, "NamedTuple that grows": 3, "list": 2}.get(name, 1)
    edges = 48 if name == "graph" else 0
    make, call, _ = OBJECTS[name]
    for real in (False, True):
        cost = attempt(Net(call), inputs=make(), real=real, grad=False)
        assert cost.peak.kinds["inputs"] == tensors * 64 + edges


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_step_that_is_run_several_times_gets_the_same_each_time(mode):
    """The layer makes 4 columns of 8: a second step on the first one's output would fail."""

    class Narrows(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, data):
            data.x = self.layer(data.x)
            return data.x

    cost = measure(Narrows, inputs=Batch(x()), measured=True, mode=mode)
    assert cost.measured.memory == cost.memory
    assert measure(Narrows, inputs={"data": Graph(x=x())}, measured=True, mode=mode).measured.memory > 0


def test_a_callable_may_return_the_users_own_object():
    data = Batch(x(), [x()])
    before = fingerprint.of_model(data)
    for give in (lambda: data, lambda: (data,), lambda: {"data": data}, lambda: ((data,), {})):
        assert measure(Net(lambda layer, data: grown(layer, data)), inputs=give).macs == (2 + 4) * ROW
    assert fingerprint.differences(before, fingerprint.of_model(data)) == []


def test_shapes_are_read_in_containers_and_not_in_objects():
    """An object may have axes with the names of dimensions, and sizes; `tensor` is one wherever it is."""

    def call(layer, data):
        assert data.more == {"axes": ("batch", "time"), "size": torch.Size([1, 2])}
        return layer(data.x)

    for kind in (Batch, Frozen, FrozenSlots, Slots):
        data = kind(tensor("batch", 8), {"axes": ("batch", "time"), "size": torch.Size([1, 2])})
        assert measure(Net(call), inputs=data, batch=3).macs == 3 * ROW
        assert data.x == tensor("batch", 8)
    assert measure(Net(lambda layer, pair: layer(pair.x)), inputs=(Pair(("batch", 8)),), batch=3).macs == 3 * ROW


def test_a_structure_that_holds_itself():
    def call(layer, node):
        assert node.children[0].parent is node
        assert node.children[1].children == []
        node.children[0].x = layer(node.children[0].x)
        for child in node.children:
            child.parent = None
        return layer(node.x)

    top = Linked(x())
    Linked(torch.ones(3, 8), top)
    Linked(torch.ones(4, 8), top)
    before = fingerprint.of_model(top)
    assert measure(Net(call), inputs=top).macs == (3 + 2) * ROW
    assert attempt(Net(call), inputs=top, real=True, grad=False).macs == (3 + 2) * ROW
    assert fingerprint.differences(before, fingerprint.of_model(top)) == []

    endless: list[Any] = [x()]
    endless.append((endless,))
    assert measure(Net(lambda layer, e: layer(e[1][0][0]) if e[1][0] is e else None), inputs=endless).macs == 2 * ROW


class Colour(Enum):
    RED = (1, 2)


LOCK = threading.Lock()
SENTINEL = object()


@pytest.mark.parametrize(
    "value", [Colour.RED, SENTINEL, LOCK, torch.relu, Batch, np, torch.float16, torch.strided, Ellipsis, len]
)
def test_what_is_one_of_a_kind_stays_itself(value):
    def call(layer, x, given):
        assert given is value
        return layer(x)

    assert measure(Net(call), inputs=(x(), value)).macs == 2 * ROW
    assert measure(Net(lambda layer, x, data: call(layer, x, data.x)), inputs=(x(), Batch(value))).macs == 2 * ROW


def test_a_module_of_the_model_stays_itself_and_another_is_copied():
    model = Net(lambda layer, x, given: given(x))
    assert measure(model, inputs=(x(), model.layer)).by_module()["layer"].macs == 2 * ROW

    norm = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    before = fingerprint.of_model(norm)
    for mode in ("infer", "train"):
        measure(Net(lambda layer, x, given: layer(given(x))), inputs=(x(), norm), mode=mode)
    cost = attempt(Net(lambda layer, x, given: layer(given(x))), inputs=(x(), norm), real=True, grad=False)
    assert cost.macs == 2 * 2 * ROW
    assert fingerprint.differences(before, fingerprint.of_model(norm)) == []


def test_a_generator_of_random_numbers_is_not_advanced():
    generator = torch.Generator().manual_seed(3)
    state = generator.get_state()

    def call(layer, x, generator):
        noise = torch.randn(2, 8, generator=generator)
        return layer(x + noise) * (x.sum().item() + 1)

    cost = measure(Net(call), inputs=(x(), generator))
    assert (cost.macs, cost.executed) == (2 * ROW, "real")
    assert torch.equal(generator.get_state(), state)


def test_an_array_is_not_written_into():
    array = np.ones((2, 8), dtype=np.float32)

    def call(layer, array, objects):
        array *= 0
        return layer(objects[0])

    objects = np.array([None], dtype=object)
    objects[0] = x()
    assert measure(Net(call), inputs=(array, objects)).macs == 2 * ROW
    assert array.sum() == 16
    assert objects[0].device.type == "cpu"
    assert measure(Net(call), inputs=(array, objects)).inputs == "ndarray(float32 (2, 8)), ndarray(object (1,))"


class Refuses:
    def __init__(self, value=None):
        self.value = value

    def __reduce__(self):
        raise ValueError("not today")


class Checks:
    """Reads the values of its tensor when it is made."""

    def __init__(self, x):
        if x.max() > 1:
            raise ValueError("too large")
        self.x = x

    def __reduce__(self):
        return type(self), (self.x,)


def test_what_cannot_be_copied():
    """It is passed as it is if there are no tensors in it, and refused if there are."""
    one = Refuses([1])
    assert measure(Net(lambda layer, x, o: layer(x) if o is one else None), inputs=(x(), one)).macs == 2 * ROW
    refused = (
        r"a value of type Refuses, which has tensors and cannot be copied: ValueError: not today\. "
        r"Pass its tensors, or let its class define __reduce__\."
    )
    for inputs in ((x(), Refuses(x())), Batch(x(), Refuses([x()]))):
        with pytest.raises(UsageError, match=refused):
            measure(Net(lambda layer, *x: layer(x)), inputs=inputs)


def test_an_object_that_reads_values_when_it_is_made_is_run_for_real():
    cost = measure(Net(lambda layer, data: layer(data.x)), inputs=Checks(x()))
    assert (cost.macs, cost.executed) == (2 * ROW, "real")
    assert [note.partition(" reads values")[0] for note in cost.notes] == ["What runs before forward"]
    assert "(Checks of inputs= needs data)" in cost.notes[0]


def test_a_tokenizers_batch():
    """2 x 6 tokens of 16 in a layer: 4 products of 16 x 16 and 2 of 16 x 32 for each, attention of 6 x 6; a pooler."""
    model = BertModel(BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                                 intermediate_size=32, max_position_embeddings=16))  # fmt: skip
    batch = BatchEncoding({name: torch.ones(2, 6, dtype=torch.int64) for name in ("input_ids", "attention_mask")})
    expected = 2 * (2 * 6 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 2 * 6 * 6 * 16) + 2 * 16 * 16
    before = fingerprint.of_model(batch)
    assert measure(model, inputs=batch).macs == expected  # model(**batch)

    class Takes(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, batch):
            batch["token_type_ids"] = torch.zeros_like(batch["input_ids"])
            return self.model(**batch)

    assert measure(Takes(), inputs=(batch,)).macs == expected
    assert fingerprint.differences(before, fingerprint.of_model(batch)) == []


def test_a_cache_of_keys_and_values():
    """4 new tokens of 16 beside ``past`` ones in 2 layers, and the 50 words of the head."""

    def expected(past):
        return 2 * (4 * 4 * 16 * 16 + 3 * 4 * 16 * 32 + 2 * 4 * (past + 4) * 16) + 4 * 16 * 50

    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                                         intermediate_size=32))  # fmt: skip
    cache, ids = DynamicCache(), torch.zeros(1, 4, dtype=torch.int64)
    inputs = {"input_ids": ids, "past_key_values": cache, "use_cache": True}
    assert [measure(model, inputs=inputs).macs for _ in range(3)] == [expected(0)] * 3
    assert cache.get_seq_length() == 0
    with torch.no_grad():
        model(**inputs)
    before = fingerprint.of_model(cache)
    assert [measure(model, inputs=inputs).macs for _ in range(3)] == [expected(4)] * 3
    assert measure(model, inputs=inputs, dtype="bf16").macs == expected(4)
    assert measure(model, inputs=inputs, measured=True).measured.memory > 0
    assert fingerprint.differences(before, fingerprint.of_model(cache)) == []
    assert cache.get_seq_length() == 4


# -- any structure ---------------------------------------------------------------------------------------------------

POOL = (torch.ones(2, 3), torch.ones(4, dtype=torch.int64), torch.ones(2, 2, dtype=torch.bool), torch.ones(()))
LEAVES = st.one_of(
    st.sampled_from(range(len(POOL))).map(lambda number: ("tensor", number)),
    st.sampled_from([None, 3, "text", (2, 3), ("a", "b"), Colour.RED, SENTINEL, 0.5, torch.float32]).map(
        lambda value: ("value", value)
    ),
)
KINDS = (list, tuple, dict, Batch, Frozen, Slots, Pair, UserDict, SimpleNamespace, deque, Graph)
STRUCTURES = st.recursive(
    LEAVES, lambda inner: st.tuples(st.sampled_from(KINDS), st.lists(inner, min_size=2, max_size=2)), max_leaves=8
)


def build(plan: Any, tensors: tuple[torch.Tensor, ...]) -> Any:
    """The structure of a plan, with the same few tensors wherever there is one."""
    kind, content = plan
    if kind == "tensor":
        return tensors[content]
    if kind == "value":
        return content
    parts = [build(part, tensors) for part in content]
    if kind in (list, tuple, deque):
        return kind(parts)
    if kind in (dict, UserDict, SimpleNamespace, Graph):
        named = dict(zip(("x", "more"), parts, strict=True))
        return kind(named) if kind in (dict, UserDict) else kind(**named)
    return kind(*parts)


def parts_of(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple, deque)):
        return list(value)
    if isinstance(value, (dict, UserDict)):
        return list(value.values())
    if isinstance(value, Graph):
        return list(value.store.content.values())
    return [value.x, value.more] if isinstance(value, (Batch, Frozen, Slots, SimpleNamespace)) else []


def skeleton(value: Any, tensors: list[torch.Tensor]) -> Any:
    """All of a structure but the data of its tensors: types, values, sizes, and which tensors are the same one."""
    if isinstance(value, torch.Tensor):
        if not any(value is one for one in tensors):
            tensors.append(value)
        number = next(i for i, one in enumerate(tensors) if value is one)
        return number, tuple(value.shape), value.dtype
    parts = parts_of(value)
    return (type(value), [skeleton(part, tensors) for part in parts]) if parts else value


def wreck(value: Any) -> None:
    """Write into everything that can be written into."""
    for part in parts_of(value):
        wreck(part)
    if isinstance(value, torch.Tensor):
        value.zero_()
    elif isinstance(value, (list, deque)):
        value.append(7)
        value[0] = None
    elif isinstance(value, (dict, UserDict)):
        value["x"] = value["new"] = torch.ones(1)
    elif isinstance(value, (Batch, Slots, SimpleNamespace, Graph)):
        value.x = None


@settings(max_examples=60)
@given(plan=STRUCTURES)
def test_every_attempt_gets_the_same_structure_and_changes_nothing_of_the_users(plan):
    inputs = (build(plan, tuple(one.clone() for one in POOL)), torch.ones(2, 8))
    expected = skeleton(inputs[0], [])
    before = fingerprint.of_model(inputs)
    seen: list[Any] = []

    def call(layer, given, x):
        seen.append(skeleton(given, []))
        wreck(given)
        return layer(x)

    for how in ({"real": False}, {"real": False, "keep_small_data": True}, {"real": True}):
        assert attempt(Net(call), inputs=inputs, grad=False, **how).macs == 2 * ROW
    assert seen == [expected] * 3
    assert fingerprint.differences(before, fingerprint.of_model(inputs)) == []
