"""Which modules changed themselves: alignment of two trees, own change and consequence, in words."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from values.test_rows import trees

from pytest_modelbudget import measure
from pytest_modelbudget.judging.changes import Changes, module_changes
from pytest_modelbudget.values.rows import rows_of


def changes(before, after, metric: str = "flops", **point) -> Changes:
    point = point or {"batch": 1, "res": 8}
    old, new = (rows_of(measure(model, **point).modules) for model in (before, after))
    return module_changes(old, new, metric)


def told(found: Changes) -> list[tuple[str, str, int, int, int]]:
    return [(c.status, c.name, c.times, c.before, c.after) for c in found.modules]


def conv(before: int = 4, after: int = 4, kernel: int = 1, **options) -> nn.Module:
    return nn.Conv2d(before, after, kernel, bias=False, **options)


def first(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(conv(3), *layers)


PIXELS = 64


def test_an_insertion_is_an_insertion():
    """What comes after it has another number, and is the same."""
    found = changes(first(conv(), nn.ReLU(), conv()), first(conv(), nn.BatchNorm2d(4), nn.ReLU(), conv()))
    assert [(c.status, c.name) for c in found.modules] == [("added", "2")]
    assert found.follows is None


def test_an_insertion_before_what_is_wider():
    found = changes(first(conv(), conv()), first(conv(4, 8), nn.ReLU(), conv(8, 4)))
    assert told(found) == [
        ("changed", "1", 1, 16 * PIXELS, 32 * PIXELS),  # its own change: as many inputs, twice the outputs
        ("changed", "3", 1, 16 * PIXELS, 32 * PIXELS),  # follows, but its configuration is another
    ]


def test_a_removal():
    found = changes(first(conv(4, 4, 3, padding=1), conv()), first(conv()))
    assert told(found) == [("removed", "1", 1, 9 * 16 * PIXELS, 0)]


def block(kernel: int = 1) -> nn.Module:
    return nn.Sequential(conv(4, 4, kernel, padding=kernel // 2), nn.ReLU())


def test_more_blocks_that_repeat():
    found = changes(first(*(block() for _ in range(3))), first(*(block() for _ in range(5))))
    assert told(found) == [("added", "4-5", 2, 0, 2 * 16 * PIXELS)]


def test_one_block_of_many_changed():
    blocks = [block() for _ in range(5)]
    other = [block(3 if n == 2 else 1) for n in range(5)]
    found = changes(first(*blocks), first(*other))
    assert told(found) == [("changed", "3.0", 1, 16 * PIXELS, 9 * 16 * PIXELS)]


def test_blocks_that_changed_alike_are_one_row():
    found = changes(first(*(block() for _ in range(5))), first(*(block(3) for _ in range(5))))
    assert told(found) == [("changed", "1-5.0", 5, 5 * 16 * PIXELS, 5 * 9 * 16 * PIXELS)]


def test_a_stride_and_what_follows_from_it():
    """The convolution that lost its stride gives four times as much to the two behind it."""
    found = changes(first(conv(stride=2), conv(), conv()), first(conv(), conv(), conv()))
    assert told(found) == [("changed", "1", 1, 16 * 16, 16 * 64)]
    assert found.follows is not None
    assert (found.follows.modules, found.follows.before, found.follows.after) == (2, 2 * 16 * 16, 2 * 16 * 64)


def test_the_dilated_follower_comes_after_the_stride():
    """It is dilated, which costs nothing, and is given four times as much: its own change adds nothing."""
    before = first(conv(4, 4, 3, stride=2, padding=1), conv(4, 32, 3, padding=1))
    after = first(conv(4, 4, 3, padding=1), conv(4, 32, 3, padding=2, dilation=2))
    found = changes(before, after)
    assert [(c.name, c.own) for c in found.modules] == [("1", 9 * 16 * (64 - 16)), ("2", 0)]


def test_a_norm_is_replaced_where_it_stands():
    found = changes(first(nn.BatchNorm2d(4), conv()), first(nn.Dropout(), nn.GroupNorm(2, 4), conv()))
    assert [(c.status, c.name, c.was_kind, c.kind) for c in found.modules if c.status == "changed"] == [
        ("changed", "2", "BatchNorm2d", "GroupNorm")
    ]


class Attention(nn.Module):
    by_hand, again, outputs = False, False, 1

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x):
        x = self.inner(self.inner(x) if self.again else x).unsqueeze(1)
        if not self.by_hand:
            return nn.functional.scaled_dot_product_attention(x, x, x)
        return torch.softmax(x @ x.transpose(2, 3), -1) @ x


class ByHand(Attention):
    by_hand = True


class Again(Attention):
    again = True


Attention.__name__ = ByHand.__name__ = Again.__name__ = "Attention"


def checkpointed(off: bool) -> nn.Module:
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU())

        def forward(self, x):
            return self.block(x) if off else torch.utils.checkpoint.checkpoint(self.block, x, use_reentrant=False)

    return Net()


def tied(shared: bool) -> nn.Module:
    net = nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU(), nn.Linear(8, 8, bias=False))
    if shared:
        net[2].weight = net[0].weight
    return net


def frozen(net: nn.Module) -> nn.Module:
    return net.requires_grad_(False)


WORDS = {
    "dropout": (lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.0)),
                lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.1)), "memory", "1", "dropout is on"),
    "in place": (lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True)),
                 lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU()), "memory", "1", "no longer in place"),
    "attention": (Attention, ByHand, "memory", "",
                  "attention by hand: 2 bmm and softmax instead of scaled_dot_product_attention"),
    "called twice": (Attention, Again, "flops", "inner", "called 2 times, was once"),
    "checkpointing": (lambda: checkpointed(False), lambda: checkpointed(True), "memory", "block",
                      "checkpointing is off: backward no longer recomputes it"),
    "shared": (lambda: tied(True), lambda: tied(False), "params", "2", "no longer shares weights with 0"),
    "trained": (lambda: nn.Sequential(frozen(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 8)),
                lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)),
                "trainable_params", "0", "is trained now"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "metric", "module", "word"), WORDS.values(), ids=WORDS)
def test_a_change_is_said_in_the_words_that_reviewers_use(before, after, metric, module, word):
    found = changes(before, after, metric, inputs=(2, 4, 8), mode="train")
    assert (found.modules[0].name, found.modules[0].what) == (module, (word,))


def test_a_module_of_the_same_code_that_is_given_more_is_no_cause():
    """Attention over twice as many tokens costs four times as much; the module in front of it did that."""

    class Twice(nn.Module):
        def __init__(self, times):
            super().__init__()
            self.times = times

        def forward(self, x):
            return x.repeat(1, self.times, 1)

        def extra_repr(self):
            return f"times={self.times}"

    found = changes(
        nn.Sequential(Twice(1), Attention()), nn.Sequential(Twice(2), Attention()), inputs=(2, 4, 8), mode="infer"
    )
    assert [c.name for c in found.modules] == ["0"]
    assert found.follows is not None
    assert found.follows.modules == 2


def test_a_forward_that_gives_a_child_more_is_named():
    """A slice is gone from the code: no operator that costs, no configuration says so."""

    class Net(nn.Module):
        def __init__(self, step):
            super().__init__()
            self.step, self.stem, self.head = step, conv(3), conv()

        def forward(self, x):
            return self.head(self.stem(x)[:, :, :: self.step])

    found = changes(Net(2), Net(1))
    assert [(c.name, c.what) for c in found.modules] == [("", ("gives head inputs of another size",))]
    assert found.follows is not None


@settings(max_examples=60)
@given(trees, trees)
def test_rows_and_what_follows_are_the_whole_difference(one, other):
    before, after = (measure(nn.Sequential(make(), nn.Conv2d(3, 3, 1)), batch=2, res=4) for make in (one, other))
    old, new = rows_of(before.modules), rows_of(after.modules)
    assert module_changes(old, old, "flops") == Changes((), None)
    for metric in ("flops", "params", "activations"):
        found = module_changes(old, new, metric)
        moved = sum(c.after - c.before for c in found.modules)
        moved += found.follows.after - found.follows.before if found.follows is not None else 0
        assert moved == after.metric(metric) - before.metric(metric)


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(0, 5), st.integers(1, 3))
def test_blocks_inserted_anywhere_are_as_many_as_they_are(count, place, more):
    """Of equal blocks nobody can say which is new, only how many."""
    blocks = [block() for _ in range(count + more)]
    blocks[min(place, count)] = block()
    found = changes(first(*(block() for _ in range(count))), first(*blocks))
    assert sum(c.times for c in found.modules if c.status == "added") == more
    assert all(c.status == "added" for c in found.modules)
