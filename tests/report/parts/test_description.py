"""A module in a few words: its class and the arguments that tell it from others."""

from __future__ import annotations

import pytest

from pytest_modelbudget.report.parts.description import describe, described, named
from pytest_modelbudget.values.growth import ModuleChange

CONV = "3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False"
PLAIN = "64, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)"


@pytest.mark.parametrize(
    ("kind", "config", "text"),
    [
        ("Conv2d", PLAIN, "Conv2d(64, 64, 3)"),
        ("Conv2d", CONV, "Conv2d(3, 64, 7, stride=2)"),
        ("Conv2d", "8, 8, kernel_size=(1, 3), stride=(1, 1), groups=8", "Conv2d(8, 8, (1, 3), groups=8)"),
        ("Linear", "in_features=2048, out_features=1000, bias=True", "Linear(2048, 1000)"),
        ("BatchNorm2d", "64, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True", "BatchNorm2d(64)"),
        ("LayerNorm", "(768,), eps=1e-06, elementwise_affine=True", "LayerNorm(768)"),
        ("Embedding", "50257, 768, padding_idx=0", "Embedding(50257, 768, padding_idx=0)"),
        ("LSTM", "10, 20, num_layers=2, batch_first=True", "LSTM(10, 20, num_layers=2, batch_first=True)"),
        ("ReLU", "inplace=True", "ReLU"),
        ("Block", "", "Block"),
        ("Odd", "a)(, b=((", "Odd(a)(, b=((, )".replace(", )", ")")),
        ("Multi", "one\ntwo", "Multi(one\\ntwo)"),
    ],
)
def test_description(kind: str, config: str, text: str) -> None:
    assert describe(kind, config) == text


def test_description_keeps_what_differs() -> None:
    """A default that changed is the whole story: it must not be left out."""
    grouped = PLAIN.replace("padding", "groups=32, padding").replace("stride=(1, 1)", "stride=(2, 2)")
    assert describe("Conv2d", PLAIN, versus=grouped) == "Conv2d(64, 64, 3, stride=1)"
    assert describe("Conv2d", grouped, versus=PLAIN) == "Conv2d(64, 64, 3, stride=2, groups=32)"
    assert (
        describe("Linear", "in_features=4, out_features=4, bias=True", versus="bias=False") == "Linear(4, 4, bias=True)"
    )


def test_long_description_is_cut() -> None:
    text = describe("Huge", ", ".join(f"argument{n}={n}" for n in range(100)))
    assert len(text) == 80
    assert text.startswith("Huge(argument0=0, ")
    assert "..." in text


@pytest.mark.parametrize(
    ("change", "name", "what"),
    [
        (ModuleChange("added", "a", "Linear", "in_features=1, out_features=2", 0, 2), "a", "Linear(1, 2)"),
        (ModuleChange("changed", "", "Net", "3", 1, 2, "", "Net", "2"), "the model", "Net(2) -> Net(3)"),
        (ModuleChange("changed", "a", "ReLU", "", 1, 2, "a", "GELU", "approximate='none'"), "a",
         "GELU(approximate='none') -> ReLU"),
        (ModuleChange("renamed", "b", "ReLU", "", 1, 1, "a", "ReLU", ""), "b (was a)", "ReLU"),
    ],
)  # fmt: skip
def test_a_change(change: ModuleChange, name: str, what: str) -> None:
    assert (named(change), described(change)) == (name, what)
