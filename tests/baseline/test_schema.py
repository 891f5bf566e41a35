"""The baseline's format, byte for byte, and how every kind of damage to it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from golden_files import check_golden, golden
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget._version import __version__
from pytest_modelbudget.baseline.schema import Baseline, BaselineError, entry_of, from_json, to_json
from pytest_modelbudget.errors import BudgetError, UsageError
from pytest_modelbudget.values.cost import Cost, ModuleCost
from pytest_modelbudget.values.entry import Entry
from pytest_modelbudget.values.peak import KINDS, Peak
from pytest_modelbudget.values.point import OperatingPoint
from pytest_modelbudget.values.result import Result
from pytest_modelbudget.values.rows import ModuleRow
from pytest_modelbudget.values.verdict import Verdict

GOLDEN = golden("baseline.json")

# conv: 8 output channels of 4x4 elements (stride 1, 2 halves the width of 8), each 3 channels of 3x3
CONV_MACS, CONV_PARAMS, CONV_OUT = 8 * 4 * 4 * 3 * 3 * 3, 3 * 8 * 3 * 3 + 8, 8 * 4 * 4
HEAD_MACS, HEAD_PARAMS, HEAD_OUT = 128 * 10, 128 * 10 + 10, 10
LINEAR = "in_features=128, out_features=10, bias=True"

WHOLE = Entry(
    name="tests/test_cost.py::test_tiny",
    test="tests/test_cost.py::test_tiny",
    model="Tiny",
    point=OperatingPoint(batch=1, res=(4, 8), channels=3),
    inputs="float32[1, 3, 4, 8]",
    module="",
    convention="fvcore",
    counter="aten",
    executed="meta",
    plugin_version="0.1.0",
    torch_version="2.13.0",
    totals={
        "flops": CONV_MACS + HEAD_MACS,
        "macs": CONV_MACS + HEAD_MACS,
        "params": CONV_PARAMS + HEAD_PARAMS,
        "trainable_params": HEAD_PARAMS,
        "activations": CONV_OUT + HEAD_OUT,
        "weights": 4 * (CONV_PARAMS + HEAD_PARAMS),
        "memory": 7000,
    },
    modules=(
        ModuleRow("", "Tiny", calls=1, inputs=96, operators={"flatten": 1}),
        ModuleRow(
            "conv",
            "Conv2d",
            "3, 8, kernel_size=(3, 3), stride=(1, 2), padding=(1, 1)",
            calls=1,
            inputs=96,
            flops=CONV_MACS,
            params=CONV_PARAMS,
            activations=CONV_OUT,
            weights=4 * CONV_PARAMS,
            memory=512,
        ),
        ModuleRow(
            "head",
            "Linear",
            LINEAR,
            calls=1,
            inputs=128,
            flops=HEAD_MACS,
            params=HEAD_PARAMS,
            trainable_params=HEAD_PARAMS,
            activations=HEAD_OUT,
            weights=4 * HEAD_PARAMS,
            memory=40,
        ),
    ),
    peak=Peak(
        "forward",
        "",
        dict.fromkeys(KINDS, 0) | {"weights": 6056, "inputs": 392, "activations": 552},
        {"forward": 7000},
        {},
    ),
)
PART = Entry(
    name='résumé | "quoted"\n::error',
    test="tests/test_cost.py::test_head",
    model="Tiny",
    point=OperatingPoint(batch=2, seq=128, dtype="bfloat16"),
    inputs="int64[2, 128]",
    module="head",
    convention="torch",
    counter="aten",
    executed="real",
    plugin_version="0.1.0",
    torch_version="2.13.0",
    totals={
        "flops": 2 * HEAD_MACS,  # this convention's: two a multiply-add
        "macs": HEAD_MACS,
        "params": HEAD_PARAMS,
        "trainable_params": HEAD_PARAMS,
        "activations": HEAD_OUT,
        "weights": 4 * HEAD_PARAMS,
    },
    modules=(
        ModuleRow(
            "head",
            "Linear",
            LINEAR,
            calls=1,
            inputs=128,
            flops=2560,
            params=1290,
            trainable_params=1290,
            activations=10,
            weights=5160,
        ),
    ),
)
BASELINE = Baseline.of([WHOLE, PART])


# -- the format ----------------------------------------------------------------------------------------------------


def test_a_baseline_is_written_as_the_golden_file_says():
    check_golden("baseline.json", to_json(BASELINE))


def test_the_golden_file_is_read_as_what_it_says():
    assert from_json(GOLDEN, "modelbudget.json") == BASELINE
    assert from_json(GOLDEN.encode(), "modelbudget.json") == BASELINE


def test_the_order_of_entries_metrics_and_fields_makes_no_difference():
    backwards = replace(WHOLE, totals=dict(reversed(WHOLE.totals.items())))
    assert to_json(Baseline({entry.name: entry for entry in (backwards, PART)})) == GOLDEN
    assert to_json(Baseline({entry.name: entry for entry in (PART, backwards)})) == GOLDEN


def test_an_empty_baseline():
    text = '{\n  "format": 2,\n  "entries": {}\n}\n'
    assert to_json(Baseline({})) == text
    assert from_json(text, "f") == Baseline({})


def test_one_changed_module_is_its_line_and_what_it_costs():
    """What a reviewer sees in a pull request: the module's line, the metric of all modules, and the totals."""
    rows = (*WHOLE.modules[:2], replace(WHOLE.modules[2], config="wider", flops=99))
    after = to_json(Baseline.of([replace(WHOLE, modules=rows, totals={**WHOLE.totals, "flops": 98}), PART]))
    changed = [line for line, old in zip(after.splitlines(), GOLDEN.splitlines(), strict=True) if line != old]
    assert [line.split(":")[0].strip() for line in changed] == ['"totals"', '{"name"', '"flops"']


def test_modules_that_are_the_same_are_written_once():
    """At another operating point they cost something else, and are the same modules."""
    twice = tuple(replace(row, flops=2 * row.flops, inputs=2 * row.inputs) for row in WHOLE.modules)
    more = [replace(WHOLE, name=f"z{n}", test=f"z{n}", modules=twice) for n in range(3)]
    baseline = Baseline.of([WHOLE, *more])
    text = to_json(baseline)
    assert text.count('"kind": "Conv2d"') == 1
    assert text.count(f'      "modules": {json.dumps(WHOLE.name)},') == 3
    assert from_json(text, "f") == baseline


def test_two_lists_of_the_same_modules_are_read():
    """What a merge of two branches leaves, each of which added an entry of one model."""
    one = to_json(Baseline.of([WHOLE]))
    other = to_json(Baseline.of([replace(WHOLE, name="z", test="z")]))
    entry = other[other.index('    "z": {') : other.rindex("\n  }\n}")]
    both = one.replace("\n    }\n  }\n}", f"\n    }},\n{entry}\n  }}\n}}")
    assert from_json(both, "f") == Baseline.of([WHOLE, replace(WHOLE, name="z", test="z")])


def test_a_large_baseline_of_a_deep_transformer_is_small(tmp_path):
    """200 entries of 24 layers; the issue asks for less than 300 kB."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(1024), nn.LayerNorm(1024)
            self.attn = nn.ModuleDict({"c_attn": nn.Linear(1024, 3072), "c_proj": nn.Linear(1024, 1024)})
            self.attn_dropout, self.resid_dropout = nn.Dropout(0.1), nn.Dropout(0.1)
            self.mlp = nn.Sequential(nn.Linear(1024, 4096), nn.GELU(), nn.Linear(4096, 1024), nn.Dropout(0.1))

        def forward(self, x):
            q, k, v = self.attn["c_attn"](self.ln_1(x)).chunk(3, dim=-1)
            x = x + self.attn["c_proj"](nn.functional.scaled_dot_product_attention(q, k, v))
            return x + self.mlp(self.ln_2(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(50304, 1024), nn.Embedding(1024, 1024)
            self.h = nn.ModuleList(Block() for _ in range(24))
            self.ln_f, self.lm_head = nn.LayerNorm(1024), nn.Linear(1024, 50304, bias=False)

        def forward(self, ids):
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
            for block in self.h:
                x = block(x)
            return self.lm_head(self.ln_f(x))

    costs = [measure(Net, batch=1, seq=seq, mode=mode) for seq in (128, 1024) for mode in ("infer", "train")]
    names = [f"tests/test_cost.py::test_net[{n}-1024-train]" for n in range(200)]
    entries = [Entry.of(costs[n % 4], name, test=name) for n, name in enumerate(names)]
    text = to_json(Baseline.of(entries))
    assert len(text) < 300_000
    assert text.count('"h.*.attn.c_attn"') == 2  # once in inference, once in training
    assert from_json(text, "f") == Baseline.of(entries)


# -- what is kept of a result --------------------------------------------------------------------------------------


def _module(name: str, flops: int, params: int = 0) -> ModuleCost:
    return ModuleCost(name, "Block", flops, flops, params, params, 0, 4 * params, 1, f"c{name}", "m:Net", "a")


def _result(modules: list[ModuleCost], *, module: str = "", memory: int | None = None) -> Result:
    cost = Cost(
        flops=modules[0].flops,
        macs=modules[0].macs,
        params=modules[0].params,
        trainable_params=modules[0].trainable_params,
        activations=0,
        weights=modules[0].weights,
        memory=memory,
        point=OperatingPoint(batch=1),
        inputs="float32[1, 3]",
        convention="fvcore",
        counter="aten",
        executed="meta",
        torch_version="2.13.0",
        model="Net",
        modules={row.name: row for row in modules},
    )
    return Result("name", "t.py::test", "t.py", 7, module, cost, Verdict(()))


def test_an_entry_has_the_costs_own_values():
    entry = entry_of(_result([_module("", 100, 10), _module("fc", 100, 10)], memory=5))
    assert entry == Entry(
        name="name",
        test="t.py::test",
        model="Net",
        point=OperatingPoint(batch=1),
        inputs="float32[1, 3]",
        module="",
        convention="fvcore",
        counter="aten",
        executed="meta",
        plugin_version=__version__,
        torch_version="2.13.0",
        totals={
            "flops": 100,
            "macs": 100,
            "params": 10,
            "trainable_params": 10,
            "activations": 0,
            "weights": 40,
            "memory": 5,
        },
        modules=(
            ModuleRow("", "Block", "c", calls=1),
            ModuleRow("fc", "Block", "cfc", calls=1, flops=100, params=10, trainable_params=10, weights=40),
        ),
    )


def test_an_entry_about_a_submodule_has_its_totals_and_rows():
    modules = [_module("", 100), _module("a", 40, 3), _module("a.x", 40, 3), _module("b", 60), _module("b.x", 60)]
    entry = entry_of(_result(modules, module="a", memory=5))
    assert entry.totals == {
        "flops": 40,
        "macs": 40,
        "params": 3,
        "trainable_params": 3,
        "activations": 0,
        "weights": 12,
    }
    assert [row.name for row in entry.modules] == ["a", "a.x"]


def test_an_entry_about_a_submodule_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="'aa' is not in the model"):
        entry_of(_result([_module("", 1), _module("a", 1)], module="aa"))


# -- damage, by hand: each is one error that names file, line, what is there and what to do -------------------------

HEAD = 'entries > "tests/test_cost.py::test_tiny"'
ROW = GOLDEN.splitlines()[38]  # "head" of the second entry, its last row


def _last(old: str, new: str) -> str:
    """The golden text with the last ``old`` replaced: that is in the second entry."""
    before, found, after = GOLDEN.rpartition(old)
    assert found
    return before + new + after


def _total(new: str) -> str:
    """The golden text with another memory of the second entry."""
    return _last('"memory": 7000', f'"memory": {new}')


DAMAGE = {
    # text that is not JSON
    "empty": ("", "1: the file is empty"),
    "blank": (" \n\t\n", "1: the file is empty"),
    "byte order mark": ("\ufeff" + GOLDEN, "1: the file begins with a byte order mark. Allowed: UTF-8 without one"),
    "not UTF-8": (GOLDEN.encode().replace(b'"Tiny"', b'"T\xefny"', 1), "6: byte 0xef is not UTF-8"),
    "UTF-16": (b"\xff\xfe" + GOLDEN.encode("utf-16-le"), "1: byte 0xff is not UTF-8"),
    "a comma lost": (_last('"model": "Tiny",', '"model": "Tiny"'), "27:7: damaged JSON: Expecting ',' delimiter"),
    "cut": (GOLDEN[: GOLDEN.index('"point"')], "8:7: damaged JSON: Expecting property name"),
    "a second document": (GOLDEN + "{}", "50:1: damaged JSON: Extra data"),
    "a raw control character": (
        _last('"model": "Tiny"', '"model": "Ti\x1bny"'),
        "26:19: damaged JSON: Invalid control character",
    ),
    "nested in lists": (_last("[4, 8]", "[\n" * 100_000), "43: damaged JSON: nested too deeply"),
    "nested in objects": ('{"a":\n' * 100_000, "21: damaged JSON: nested too deeply"),
    # wrong values
    "a list": ("[]", "1: the file: a list where an object belongs"),
    "a number": ("1", "1: the file: 1 where an object belongs"),
    "no format": (GOLDEN.replace('  "format": 2,\n', ""), "1: the file: the field 'format' is missing"),
    "no entries": ('{\n"format": 2}', "1: the file: the field 'entries' is missing"),
    "format zero": (GOLDEN.replace(": 2,", ": 0,", 1), "2: format: 0 where a whole number from 1 to 10**30 belongs"),
    "format as text": (GOLDEN.replace(": 2,", ': "1",', 1), '2: format: "1" where a whole number from 1 to 10**30'),
    "format true": (GOLDEN.replace(": 2,", ": true,", 1), "2: format: true where a whole number from 1 to 10**30"),
    "entries a list": ('{"format": 2,\n"entries": []}', "2: entries: a list where an object belongs"),
    "entry a text": ('{"format": 2, "entries": {\n"a": "b"}}', '2: entries > a: "b" where an object belongs'),
    "an unknown field": (
        _last('"convention": ', '"conventoin": '),
        f"29: {HEAD} > conventoin: unknown field. Did you mean 'convention'? Allowed: model, point, inputs",
    ),
    "a field of the row unknown": (
        _last('"kind": ', '"class": '),
        f"39: {HEAD} > modules > 3 > class: unknown field. Did you mean",
    ),
    "a field missing": (_last('      "model": "Tiny",\n', ""), f"25: {HEAD}: the field 'model' is missing"),
    "a metric missing": (_last('"macs": 4736, "params": 1514, "tr', '"params": 1514, "tr'), f"34: {HEAD} > totals"),
    "an unknown metric": (_last('"memory": 7000', '"meomry": 7000'), "34: Did you mean 'memory'"),
    "negative": (_last('"params": 1290', '"params": -1290'), f"39: {HEAD} > modules > 3 > params: -1290 where a whole"),
    "true for a count": (_total("true"), f"34: {HEAD} > totals > memory: true where a whole number from 0"),
    "null for a count": (_total("null"), f"34: {HEAD} > totals > memory: null where a whole number from 0"),
    "a fraction": (_total("7000.0"), f"34: {HEAD} > totals > memory: 7000.0 where a whole number"),
    "a power": (_total("7e3"), f"34: {HEAD} > totals > memory: 7e3 where a whole number"),
    "NaN": (_total("NaN"), f"34: {HEAD} > totals > memory: NaN where a whole number"),
    "infinite": (_total("-Infinity"), f"34: {HEAD} > totals > memory: -Infinity where a whole number"),
    "above the largest": (_total(str(10**30 + 1)), f"34: > memory: {10**30 + 1} where a whole number"),
    "10,000 digits": (_total("9" * 10_000), "34: > memory: a number of 10000 characters where a whole"),
    "a count as text": (_total('"7000"'), f'34: {HEAD} > totals > memory: "7000" where a whole number'),
    "totals a list": (
        _last('"memory": 7000}', '"memory": 7000}]').replace(
            '{"flops": 4736, "macs": 4736, "params": 1514, "t', '[{"flops": 4736, "macs": 4736, "params": 1514, "t'
        ),
        f"34: {HEAD} > totals: a list where an object",
    ),
    "rows an object": (_last('"modules": [', '"modules": {}, "x": ['), f"36: {HEAD} > x: unknown field"),
    "a row a list": (_last(ROW, "[]"), f"39: {HEAD} > modules > 3: a list where an object belongs"),
    "a text a number": (_last('"kind": "Linear"', '"kind": 5'), f"39: {HEAD} > modules > 3 > kind: 5 where a text"),
    "an unknown convention": (
        _last('"fvcore"', '"fvcroe"'),
        f"29: {HEAD} > convention: \"fvcroe\" where one of 'fvcore', 'torch' belongs",
    ),
    "executed elsewhere": (_last('"meta"', '"moon"'), f"31: {HEAD} > executed: \"moon\" where one of 'meta', 'real'"),
    "batch zero": (_last('"batch": 1', '"batch": 0'), f"27: {HEAD} > point > batch: 0 where a whole number from 1"),
    "res a number": (_last("[4, 8]", "4"), f"27: {HEAD} > point > res: 4 where a list belongs"),
    "res of three": (_last("[4, 8]", "[4, 8, 1]"), "27: > res: 3 numbers where [height, width] belongs"),
    "res of text": (_last("[4, 8]", '[4, "8"]'), '27: > res > 2: "8" where a whole number from 1'),
    "a short dtype": (GOLDEN.replace("bfloat16", "bf16"), "8: > point > dtype: \"bf16\" where one of 'bfloat16'"),
    "an unknown mode": (_last('"infer"', '"inference"'), '27: > mode: "inference" where one of'),
    "half a surrogate pair": (
        _last('"Linear"', '"\\ud800"'),
        f"39: {HEAD} > modules > 3 > kind: half a surrogate pair",
    ),
    "half a surrogate pair as name": (_last('"tests/test_cost.py::test_tiny": {', '"\\udfff": {'), "25: half a"),
    # one thing twice
    "two entries with one key": (
        GOLDEN.replace(json.dumps(PART.name), json.dumps(WHOLE.name)),
        f"25: {HEAD}: given twice, the first time on line 4",
    ),
    "one key written two ways": (
        GOLDEN.replace(json.dumps(PART.name), json.dumps(WHOLE.name).replace("t", "\\u0074")),
        f"25: {HEAD}: given twice, the first time on line 4",
    ),
    "one field twice": (
        _last('"model": "Tiny"', '"model": "Tiny",\n"model": "Tiny"'),
        f"27: {HEAD} > model: given twice, the first time on line 26",
    ),
    "a metric twice": (_last('"memory": 7000', '"macs": 1'), f"34: {HEAD} > totals > macs: given twice"),
    "entries twice": (GOLDEN[:-2] + ', "entries": {}}', "49: entries: given twice, the first time on line 3"),
    "a module twice": (_last(ROW, f"{ROW},\n{ROW}"), f"40: {HEAD} > modules > 4 > name: a second row for this module"),
    # rows that do not hang together
    "a row without its parent": (_last('"head", "kind"', '"neck.head", "kind"'), "39: whose parent has none above"),
    "a first row that is not the model": (_last('{"name": ""', '{"name": "net"'), "37: whose parent has none above"),
    "a first row that is not the submodule": (
        GOLDEN.replace('"module": "head"', '"module": "neck"'),
        "17: whose parent",
    ),
    # what is written in one way only
    "a test of the entry's name": (
        _last('      "model"', '      "test": "tests/test_cost.py::test_tiny",\n      "model"'),
        f"26: {HEAD} > test: what goes without saying, and is left out",
    ),
    "once": (_last('"kind": "Linear"', '"kind": "Linear", "times": 1'), f"39: {HEAD} > modules > 3 > times: what goes"),
    "no times": (
        _last('"kind": "Linear"', '"kind": "Linear", "times": 0'),
        "39: > times: 0 where a whole number from 1",
    ),
    "part of a module": (
        _last('"kind": "Tiny"', '"kind": "Tiny", "times": 3').replace('"Conv2d"', '"Conv2d", "times": 2'),
        f"38: {HEAD} > modules > 2 > times: no multiple of how often the module above it is there",
    ),
    "a number too few": (_last("[0,128,10]", "[0,128]"), f"44: {HEAD} > costs > activations: 2 numbers for 3 rows"),
    "a metric of nothing": (_last("[0,512,40]", "[0,0,0]"), f"45: {HEAD} > costs > memory: what nothing has"),
    "a cost of other things": (_last('"memory": [', '"macs": ['), f"45: {HEAD} > costs > macs: unknown field"),
    "modules of nobody": (
        _last('"modules": [', '"modules": "nobody", "costs": ['),
        f"41: {HEAD} > costs: given twice, the first time on line 36",
    ),
    "the modules of an entry that is not there": (
        GOLDEN[: GOLDEN.rindex('"modules": [')] + '"modules": "nobody",\n      "costs": {}\n    }\n  }\n}\n',
        f'36: {HEAD} > modules: "nobody" is no entry that has its modules listed',
    ),
    "the modules of another part": (
        GOLDEN[: GOLDEN.rindex('"modules": [')]
        + f'"modules": {json.dumps(PART.name)},\n      "costs": {{}}\n    }}\n  }}\n}}\n',
        f"36: {HEAD} > modules: the modules of",
    ),
    "an unknown phase": (_last('"phase": "forward"', '"phase": "sideways"'), f"35: {HEAD} > peak > phase"),
    "an unknown kind": (_last('"activations": 552', '"activation": 552'), f"35: {HEAD} > peak > kinds > activation"),
}


@pytest.mark.parametrize(("text", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_one_error_that_names_file_line_and_remedy(text: str | bytes, expected: str):
    with pytest.raises(BaselineError) as caught:
        from_json(text, "model budget.json")
    line, _, what = expected.partition(": ")
    assert str(caught.value).startswith(f"model budget.json:{line}: ")
    assert what in str(caught.value)
    assert isinstance(caught.value, BudgetError)
    *_, remedy = str(caught.value).splitlines()
    assert remedy.startswith("Restore the file with git checkout -- 'model budget.json', or ")
    assert remedy.endswith(", then run pytest --budget-update.")


@pytest.mark.parametrize("number", [3, 4, 10**30])
def test_a_newer_format_is_told_as_such_whatever_else_is_in_it(number: int):
    with pytest.raises(BaselineError) as caught:
        from_json(f'{{"layout": [1.5],\n\n"format": {number}}}', "budget.json")
    assert str(caught.value) == (
        f"budget.json:3: format: {number} was written by a newer pytest-modelbudget; "
        f"this one, {__version__}, reads 2.\n"
        "Upgrade this one with pip install --upgrade pytest-modelbudget."
    )


def test_an_older_format_says_how_to_record_it_anew():
    old = '{\n  "format": 1,\n  "entries": {"a": {"modules": [{"name": "", "flops": 1}]}}\n}\n'
    with pytest.raises(BaselineError) as caught:
        from_json(old, "my budget.json")
    assert str(caught.value) == (
        f"my budget.json:2: format: 1 is older than what this pytest-modelbudget, {__version__}, reads, which is 2.\n"
        "Record it anew: rm 'my budget.json', then run pytest --budget-update."
    )


OURS, THEIRS = '      "executed": "meta",\n', '      "executed": "real",\n'


@pytest.mark.parametrize(
    ("marked", "marker", "line"),
    [
        (f"<<<<<<< HEAD\n{OURS}=======\n{THEIRS}>>>>>>> topic\n", "<<<<<<<", 31),
        (f"<<<<<<< HEAD\r\n{OURS}=======\r\n{THEIRS}>>>>>>> topic\r\n", "<<<<<<<", 31),
        (f"{OURS}=======\n{THEIRS}>>>>>>> topic\n", "=======", 32),  # half resolved
        (f"{OURS}||||||| 1234567\n{OURS}=======\n{THEIRS}", "|||||||", 32),  # diff3 style
        (f"{OURS}>>>>>>> topic\n", ">>>>>>>", 32),
    ],
)
def test_a_merge_conflict_is_told_as_such(marked: str, marker: str, line: int):
    with pytest.raises(BaselineError) as caught:
        from_json(_last(OURS, marked), "f.json")
    assert str(caught.value) == (
        f"f.json:{line}: merge conflict marker {marker}.\n"
        "Keep one side with git checkout --ours -- f.json (or --theirs), then run pytest --budget-update."
    )


def test_both_sides_of_a_merge_conflict_kept_are_a_second_row_or_key():
    """What is left when only the markers were deleted."""
    with pytest.raises(BaselineError, match=r"f:32: .*executed: given twice, the first time on line 31"):
        from_json(_last(OURS, OURS + THEIRS), "f")


def test_a_name_with_conflict_markers_is_only_a_name():
    odd = replace(WHOLE, name="<<<<<<< HEAD\n=======\n>>>>>>>")
    assert from_json(to_json(Baseline.of([odd])), "f") == Baseline.of([odd])


def test_what_an_error_quotes_is_inert_and_short():
    """Names come from whoever opened the pull request; errors go to terminals and annotations."""
    name = "\n::error::x\u202e\x1b[31m" + "y" * 100_000
    text = json.dumps({"format": 2, "entries": {name: {name: name}}}, ensure_ascii=False)
    with pytest.raises(BaselineError) as caught:
        from_json(text, "f")
    assert str(caught.value).isascii()
    assert len(str(caught.value).splitlines()) == 2
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (replace(WHOLE, totals={**WHOLE.totals, "flops": -1}), "totals > flops: -1 where a whole number"),
        (replace(WHOLE, totals={**WHOLE.totals, "flops": 1.0}), "totals > flops: 1.0 where a whole number"),
        (replace(WHOLE, totals={**WHOLE.totals, "speed": 1}), "totals > speed: unknown field"),
        (replace(WHOLE, inputs="\ud800"), "inputs: half a surrogate pair"),
        (replace(WHOLE, modules=WHOLE.modules[1:]), "whose parent has none above"),
    ],
)
def test_what_could_not_be_read_is_not_written(entry: Entry, expected: str):
    with pytest.raises(BaselineError, match=f"^The baseline cannot be written: entries > .*{expected}"):
        to_json(Baseline.of([entry]))
