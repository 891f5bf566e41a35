"""Hostile and damaged baselines, by the thousand: each is a right reading or one clear error."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelbudget.baseline.schema import Baseline, BaselineError, from_json, to_json
from pytest_modelbudget.values.entry import Entry
from pytest_modelbudget.values.metrics import metric_names
from pytest_modelbudget.values.peak import KINDS, PHASES, Peak
from pytest_modelbudget.values.point import OperatingPoint
from pytest_modelbudget.values.rows import ModuleRow

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["a|b", "`x`", "<script>", "::error::", "%0A", "\u202e", "\x00\x1f\x7f\x85", "\u2028", "😀", '"\\', "__proto__"]
)
COUNTS = st.integers(0, 10**12) | st.sampled_from([0, 2**31, 2**53 + 1, 2**64, 10**30])


@st.composite
def _module_rows(draw: st.DrawFn, top: str) -> tuple[ModuleRow, ...]:
    times = {top: draw(st.integers(1, 3))}
    for _ in range(draw(st.integers(0, 5))):
        parent, part = draw(st.sampled_from(list(times))), draw(NAMES).replace(".", "")
        times.setdefault(f"{parent}.{part}" if parent else part or "x", times[parent] * draw(st.integers(1, 3)))
    counts = [field.name for field in fields(ModuleRow) if field.type == "int" and field.name != "times"]
    return tuple(
        ModuleRow(
            name,
            draw(NAMES),
            draw(NAMES),
            many,
            shares=draw(NAMES),
            operators=dict(sorted(draw(st.dictionaries(NAMES, COUNTS, max_size=2)).items())),
            **{count: draw(COUNTS) for count in counts},
        )
        for name, many in times.items()
    )


PEAKS = st.builds(
    Peak,
    phase=st.sampled_from(PHASES),
    module=st.just(""),
    kinds=st.fixed_dictionaries(dict.fromkeys(KINDS, COUNTS)),
    phases=st.dictionaries(st.sampled_from(PHASES), COUNTS).map(lambda d: {p: d[p] for p in PHASES if p in d}),
    kept=st.just({}),
)


@st.composite
def _entries(draw: st.DrawFn) -> Entry:
    module = draw(st.sampled_from(["", "layer4", "a.b"]))
    size = st.none() | st.integers(1, 10**30)
    totals = {metric: draw(COUNTS) for metric in metric_names(recorded=True) if metric != "memory"}
    if draw(st.booleans()):
        totals["memory"] = draw(COUNTS)
    return Entry(
        name=draw(NAMES),
        test=draw(NAMES),
        model=draw(NAMES),
        point=OperatingPoint(
            batch=draw(size),
            res=draw(st.none() | st.tuples(st.integers(1, 10**30), st.integers(1, 4096))),
            channels=draw(size),
            seq=draw(size),
            dtype=draw(st.sampled_from([None, "float64", "float32", "float16", "bfloat16"])),
            mode=draw(st.sampled_from(["infer", "train"])),
        ),
        inputs=draw(NAMES),
        module=module,
        convention=draw(st.sampled_from(["fvcore", "torch"])),
        counter=draw(NAMES),
        executed=draw(st.sampled_from(["meta", "real"])),
        plugin_version=draw(NAMES),
        torch_version=draw(NAMES),
        totals=totals,
        modules=draw(st.just(()) | _module_rows(module)),
        peak=draw(st.none() | PEAKS),
    )


BASELINES = st.lists(_entries(), max_size=3).map(Baseline.of)


@settings(max_examples=200)
@given(BASELINES, st.randoms(use_true_random=False))
def test_every_baseline_survives_the_round_trip_and_has_one_text(baseline: Baseline, chance: random.Random):
    text = to_json(baseline)
    assert text.isascii()
    assert text.endswith("}\n")
    assert from_json(text, "f") == baseline
    shuffled = list(baseline.entries.items())
    chance.shuffle(shuffled)
    assert to_json(Baseline(dict(shuffled))) == text
    rows = sum(len(entry.modules) for entry in baseline.entries.values())
    assert sum(line.startswith('        {"name": ') for line in text.splitlines()) <= rows  # equal ones once


def _error_or_right_reading(data: str | bytes) -> None:
    """No other error passes; what was read is all that the text says, and is read again from its own text."""
    problem = ""
    try:
        baseline = from_json(data, "modelbudget.json")
    except BaselineError as error:
        problem = str(error)
    if problem:
        assert problem.startswith("modelbudget.json:")
        assert len(problem) < 2000
    else:
        text = to_json(baseline)
        assert from_json(text, "again") == baseline
        said, kept = (json.dumps(_resolved(json.loads(json_text)), sort_keys=True) for json_text in (data, text))
        assert said == kept  # as text, for 1 == 1.0 == True


def _resolved(tree: Any) -> Any:
    """A baseline in which every entry has its modules, whichever entry has them written."""
    for entry in tree["entries"].values():
        if isinstance(entry["modules"], str):
            entry["modules"] = tree["entries"][entry["modules"]]["modules"]
    return tree


@settings(max_examples=400)
@given(BASELINES, st.data())
def test_damaged_bytes(baseline: Baseline, data: st.DataObject):
    """Cut, bit-flipped, with bytes lost, doubled or put in."""
    damaged = bytearray(to_json(baseline).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        kind = data.draw(st.sampled_from(["cut", "flip", "lose", "double", "insert"]))
        end = min(len(damaged), at + data.draw(st.integers(1, 40)))
        if kind == "cut":
            del damaged[at:]
        elif kind == "flip" and at < len(damaged):
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "lose":
            del damaged[at:end]
        elif kind == "double":
            damaged[at:at] = damaged[at:end]
        else:
            damaged[at:at] = data.draw(st.binary(max_size=8) | st.sampled_from(HOSTILE_TEXT))
    _error_or_right_reading(bytes(damaged))


HOSTILE_TEXT = [
    *(b"\n<<<<<<< HEAD\n", b"\n=======\n", b"\n>>>>>>> topic\n"),
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"-0", b"\x00", b"/*", b"'", b'"', b"\\"),
    *(b"[" * 50_000, b'{"a":' * 50_000),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\\ud800", b"\xed\xa0\x80", b"\r", b"\xe2\x80\xae"),
]

HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=8)  # with lone surrogates
    | st.sampled_from([-1, 2**63, 10**30 + 1, 10**4000, "", "fvcore", "real", "train", "float32", "1"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=5,
)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON tree, as (container, key)."""
    found = []
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in members:
        found += [(tree, key), *_places(value)]
    return found


@settings(max_examples=400)
@given(BASELINES.filter(lambda baseline: baseline.entries), st.data())
def test_damaged_trees(baseline: Baseline, data: st.DataObject):
    """Valid JSON in which values are of the wrong type or size, gone, added, or moved."""
    tree = json.loads(to_json(baseline))
    for _ in range(data.draw(st.integers(1, 2))):
        where, key = data.draw(st.sampled_from(_places(tree) or [(tree, "format")]))
        kind = data.draw(st.sampled_from(["replace", "remove", "add", "copy"]))
        if kind == "replace":
            where[key] = data.draw(HOSTILE)
        elif kind == "remove":
            where.pop(key, None) if isinstance(where, dict) else where.pop(key)
        elif isinstance(where, list):
            where.append(copy.deepcopy(where[key]) if kind == "copy" else data.draw(HOSTILE))
        else:
            new = data.draw(st.text(max_size=8))
            where[new] = copy.deepcopy(where[key]) if kind == "copy" else data.draw(HOSTILE)
    _error_or_right_reading(json.dumps(tree, ensure_ascii=data.draw(st.booleans())))


@settings(max_examples=200)
@given(HOSTILE | st.recursive(st.just({}), lambda inside: st.fixed_dictionaries({"entries": inside}), max_leaves=99))
def test_any_json_at_all(tree: object):
    _error_or_right_reading(json.dumps(tree))


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=100))
def test_anything_at_all(data: str | bytes):
    _error_or_right_reading(data)
