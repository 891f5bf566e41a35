"""Models that are hard to leave alone: with state in odd places, or that change themselves in forward.

Each takes and returns a ``(rows, 4)`` tensor.
"""

from __future__ import annotations

import random
import warnings
from collections import OrderedDict, deque
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune


class Frozen(nn.Module):
    """In train mode but for its batch norm; half of its parameters frozen; one with a gradient."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout()
        self.head = nn.Linear(4, 4)
        self.norm.eval()
        self.first.weight.requires_grad_(False)
        self.head.weight.grad = torch.ones(4, 4)

    def forward(self, x):
        return self.head(self.drop(self.norm(self.first(x))))


class Tied(nn.Module):
    """Two layers with one weight, one layer under two names, two parameters in one storage."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(4, 4)
        self.two = nn.Linear(4, 4)
        self.two.weight = self.one.weight
        self.three = self.one
        flat = torch.randn(8)
        self.left, self.right = nn.Parameter(flat[:4]), nn.Parameter(flat[4:])

    def forward(self, x):
        return self.three(self.two(self.one(x))) * self.left + self.right


class Layouts(nn.Module):
    """Parameters and buffers of many dtypes and layouts, and lists and dicts of parameters."""

    def __init__(self):
        super().__init__()
        self.transposed = nn.Parameter(torch.randn(4, 4).t())
        self.narrow = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
        self.scalar = nn.Parameter(torch.tensor(2.0))
        self.nothing = nn.Parameter(torch.ones(0, 4))
        self.scalar.note = "an attribute of a tensor"
        self.several = nn.ParameterList([torch.ones(4), torch.ones(4)])
        self.named = nn.ParameterDict({"a": torch.ones(4)})
        self.register_parameter("absent", None)
        self.register_buffer("expanded", torch.ones(1).expand(4))
        self.register_buffer("ids", torch.arange(4))
        self.register_buffer("unsaved", torch.ones(4, dtype=torch.float64), persistent=False)
        self.register_buffer("missing", None)
        self.register_buffer("channels_last", torch.ones(1, 2, 3, 3).contiguous(memory_format=torch.channels_last))

    def forward(self, x):
        y = x @ self.transposed * self.narrow * self.scalar + self.several[0] + self.several[1] * self.named["a"]
        return y + self.expanded + self.ids + self.unsaved.to(x.dtype) + self.nothing.sum()


@dataclass(frozen=True)
class Options:
    width: int
    table: torch.Tensor


class Entry:
    def __init__(self):
        self.keys = torch.zeros(8, 4)
        self.seen = []


class Cache:
    """What decoders keep: an object that is no module, with tensors in it and in its entries."""

    def __init__(self):
        self.length = 0
        self.keys = []
        self.last = torch.zeros(4)
        self.entries = [Entry(), Entry()]


class Opinionated(dict):
    """A dict that is also read by attributes, and lets nobody write."""

    __getattr__ = dict.__getitem__

    def __setitem__(self, key, value):
        raise TypeError("read only")

    def update(self, *args, **kwargs):
        raise TypeError("read only")

    def clear(self):
        raise TypeError("read only")


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


class Attributes(nn.Module):
    """Tensors in plain attributes, in lists, tuples, dicts, objects, and in each other."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.plain = torch.ones(4)
        self.listed = [torch.ones(4), [torch.ones(4), "text"]]
        self.paired = (torch.ones(4), 3)
        self.by_name = {"a": torch.ones(4), "b": {"c": [torch.ones(4)]}}
        self.ordered = OrderedDict(a=torch.ones(4))
        self.options = Options(4, torch.ones(4))
        self.opinionated = Opinionated(scale=torch.ones(4))
        self.simple = SimpleNamespace(scale=torch.ones(4))
        self.pair = Pair(torch.ones(4), torch.ones(4))
        self.spread = torch.distributions.Normal(torch.zeros(4), torch.ones(4))
        self.alias = self.layer.weight
        self.same_list = self.listed
        self.listed.append(self.listed)
        self.parent = [self]

    def forward(self, x):
        x = self.layer(x) * self.plain + self.listed[0] + self.listed[1][0] + self.paired[0] + self.by_name["a"]
        x = x + self.by_name["b"]["c"][0] + self.ordered["a"] + self.options.table
        x = x * self.opinionated.scale * self.simple.scale * self.pair.left + self.spread.mean.to(x.dtype)
        return x @ self.alias


class Rewrites(nn.Module):
    """Changes everything it has while it runs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(4))
        self.calls = 0
        self.history = []
        self.nested = {"keys": [], "seen": set()}
        self.recent = deque(maxlen=2)
        self.memory = torch.zeros(8, 4)
        self.cache = Cache()
        self.gone = "soon"

    def forward(self, x):
        self.count += 1
        self.mean = self.mean * 0.9 + x.mean(0) * 0.1
        self.calls += 1
        self.history.append(x)
        self.nested["keys"].append(x)
        self.nested["seen"].add(self.calls)
        self.recent.append(self.calls)
        self.memory[: len(x)] = x
        self.cache.entries[0].keys[: len(x)] = x
        self.cache.entries[0].seen.append(len(x))
        self.cache.entries.append(Entry())
        self.cache.length += len(x)
        self.cache.keys.append(x)
        self.cache.last = x[0]
        self.cache.last.add_(1)
        self.new = x
        if hasattr(self, "gone"):
            del self.gone
        self.norm.momentum = 0.5
        self.norm.train()
        x = self.norm(self.layer(x))
        self.norm.eval()
        if not hasattr(self, "late"):
            self.late = nn.Linear(4, 4, device=x.device, dtype=x.dtype)
        self.layer.register_forward_hook(lambda module, args, out: out)
        self.layer.weight.requires_grad_(False)
        self.layer.bias = nn.Parameter(torch.zeros(4, device=x.device, dtype=x.dtype))
        return self.late(x)


class Hidden(nn.Module):
    """Keeps layers where PyTorch does not look for them, so no ``eval()`` reaches their batch norm."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.layers = [nn.Linear(4, 4), nn.BatchNorm1d(4)]
        self.holder = SimpleNamespace(layer=nn.BatchNorm1d(4))

    def forward(self, x):
        return self.holder.layer(self.layers[1](self.layers[0](self.layer(x))))


class Recorder:
    """A hook with a memory."""

    def __init__(self):
        self.outputs = []

    def __call__(self, module, args, out):
        self.outputs.append(out)


class Draws(nn.Module):
    """Uses all three random number generators, and dropout outside of training."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        x = x * (1 + random.random() + float(numpy.random.rand())) + torch.rand(4, dtype=x.dtype, device=x.device)
        return F.dropout(self.layer(x), training=True)


class Globals(nn.Module):
    """Changes what is global to the process."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.manual_seed(3)
        random.seed(3)
        numpy.random.seed(3)
        torch.backends.mha.set_fastpath_enabled(True)
        return self.layer(x)


class Modes(nn.Module):
    """Keeps a part of itself in a mode of its own, whatever it is told."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)

    def train(self, mode=True):
        super().train(mode)
        self.norm.train()
        return self

    def forward(self, x):
        return self.norm(self.layer(x))


class Fused(nn.Module):
    """Layers with kernels of their own: flat weights of an LSTM, the transformer's fast path."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 4, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(8, 4, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)

    def forward(self, x):
        return self.layer(self.gru(self.lstm(x[None])[0])[0])[0]


def lazy():
    return nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.Linear(4, 4))


def parametrized():
    layers = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
    parametrizations.weight_norm(layers[0])
    parametrizations.spectral_norm(layers[1])
    parametrizations.orthogonal(layers[2])
    parametrize.register_parametrization(layers[3], "bias", nn.Identity())
    return layers


def hooked():
    """The utilities from before parametrizations, which put a tensor that is no parameter in a hook."""
    layers = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
    quietly(nn.utils.weight_norm, layers[0])
    quietly(nn.utils.spectral_norm, layers[1])
    prune.l1_unstructured(layers[2], "weight", 0.5)
    return layers


def observed():
    """A user's own hooks of each kind."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[0].register_forward_pre_hook(lambda module, args: None)
    model[0].register_forward_hook(lambda module, args, kwargs, out: out * 2, with_kwargs=True, always_call=True)
    model[0].register_forward_hook(Recorder())
    model[0].register_full_backward_hook(lambda module, grads_in, grads_out: None)
    model[1].register_full_backward_pre_hook(lambda module, grads_out: None)
    model.register_state_dict_post_hook(lambda *args: None)
    model.register_load_state_dict_post_hook(lambda *args: None)
    model[0].weight.register_hook(lambda grad: grad)
    model[1].weight.register_post_accumulate_grad_hook(lambda tensor: None)
    return model


class Counter(nn.Module):
    """For TorchScript: a buffer that is counted up, a number too."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.calls: int = 0
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count += 1
        self.calls += 1
        return self.norm(self.layer(x)) + self.count.to(x.dtype)


def script():
    return quietly(torch.jit.script, Counter())


def scripted():
    return nn.Sequential(script(), nn.Linear(4, 4))


def traced():
    return nn.Sequential(quietly(torch.jit.trace, nn.Linear(4, 4), torch.zeros(2, 4)), nn.Linear(4, 4))


def quietly(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args)


def compiled():
    """A compiled layer, one compiled in place, and a plain one."""
    model = nn.Sequential(torch.compile(nn.Linear(4, 4), backend="eager"), nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].compile(backend="eager")
    return model


def compiled_whole():
    return torch.compile(Rewrites(), backend="eager")


def parallel():
    return nn.DataParallel(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))


def on_meta():
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))


def for_inference():
    with torch.inference_mode():
        return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))


def in_bfloat16():
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).bfloat16()


def trained():
    """After a step of training: gradients, and statistics that are not those of a new model."""
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4))
    model(torch.randn(8, 4)).sum().backward()
    return model


MODELS = [
    Frozen, Tied, Layouts, Attributes, Rewrites, Hidden, Draws, Globals, Modes, Fused, lazy, parametrized, hooked,
    observed, script, scripted, traced, compiled, compiled_whole, parallel, on_meta, for_inference, in_bfloat16,
    trained,
]  # fmt: skip
