"""The baseline's format, byte for byte, and how every kind of damage to it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from golden_files import check_golden, golden

from pytest_modelbudget._version import __version__
from pytest_modelbudget.baseline.schema import Baseline, BaselineError, entry_of, from_json, to_json
from pytest_modelbudget.errors import BudgetError, UsageError
from pytest_modelbudget.values.cost import Cost, ModuleCost
from pytest_modelbudget.values.entry import Entry, ModuleRow
from pytest_modelbudget.values.point import OperatingPoint
from pytest_modelbudget.values.result import Result
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
        ModuleRow("", "Tiny", "", 3456 + 1280, 3456 + 1280, 224 + 1290, 128 + 10),
        ModuleRow(
            "conv",
            "Conv2d",
            "3, 8, kernel_size=(3, 3), stride=(1, 2), padding=(1, 1)",
            CONV_MACS,
            CONV_MACS,
            CONV_PARAMS,
            CONV_OUT,
        ),
        ModuleRow("head", "Linear", LINEAR, HEAD_MACS, HEAD_MACS, HEAD_PARAMS, HEAD_OUT),
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
    modules=(ModuleRow("head", "Linear", LINEAR, 2560, 1280, 1290, 10),),
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
    text = '{\n  "format": 1,\n  "entries": {}\n}\n'
    assert to_json(Baseline({})) == text
    assert from_json(text, "f") == Baseline({})


def test_one_changed_module_is_one_changed_line():
    """What a reviewer sees in a pull request: the module's line and the totals', no more."""
    rows = (*WHOLE.modules[:2], replace(WHOLE.modules[2], params=99))
    after = to_json(Baseline.of([replace(WHOLE, modules=rows, totals={**WHOLE.totals, "params": 98}), PART]))
    changed = [line for line, old in zip(after.splitlines(), GOLDEN.splitlines(), strict=True) if line != old]
    assert [line.split(":")[0].strip() for line in changed] == ['"totals"', '{"name"']


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
            ModuleRow("", "Block", "c", 100, 100, 10, 0),
            ModuleRow("fc", "Block", "cfc", 100, 100, 10, 0),
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


def _named(modules: list[ModuleCost]) -> list[str]:
    return [row.name for row in entry_of(_result(modules)).modules]


def test_a_module_is_expanded_while_it_holds_more_than_six_percent_of_flops():
    at, above = _module("at", 6), _module("above", 7)
    rest = _module("rest", 87)
    tree = [_module("", 100), at, _module("at.x", 6), above, _module("above.x", 7), _module("above.y", 0), rest]
    assert _named(tree) == ["", "at", "above", "above.x", "above.y", "rest"]


def test_a_module_is_expanded_while_it_holds_more_than_six_percent_of_params():
    tree = [_module("", 100, 100), _module("a", 0, 7), _module("a.x", 0, 7), _module("b", 0, 6), _module("b.x", 0, 6)]
    assert _named(tree) == ["", "a", "a.x", "b"]


def test_the_share_is_of_the_whole_at_every_depth():
    """``a.a`` is all of ``a`` and 8 % of the model; ``a.a.a`` half of that, so its children tell nothing."""
    tree = [_module("", 100), _module("a", 8), _module("a.a", 8), _module("a.a.a", 4), _module("a.a.a.a", 4)]
    assert _named(tree) == ["", "a", "a.a", "a.a.a"]


def test_a_module_not_expanded_hides_everything_below_it():
    """``small.big`` is reported larger than its parent (a shared module may be): no orphan row comes of it."""
    tree = [_module("", 100), _module("small", 1), _module("small.big", 50), _module("small.big.x", 50)]
    assert _named(tree) == ["", "small"]


def test_a_model_without_modules_or_cost_has_its_own_row():
    assert _named([_module("", 0)]) == [""]
    assert _named([_module("", 0), _module("relu", 0), _module("relu.x", 0)]) == ["", "relu"]


def test_similar_names_are_not_taken_for_children():
    tree = [_module("", 100), _module("a", 50), _module("a.x", 50), _module("ab", 1), _module("ab.x", 1)]
    assert _named(tree) == ["", "a", "a.x", "ab"]


def test_thirty_two_identical_layers_are_listed_and_not_opened():
    """The shape of a 32-layer language model: each layer is 3 % of the whole, with 12 modules inside."""
    tree = [_module("", 3200), _module("embed", 0), _module("layers", 3200)]
    for layer in range(32):
        tree += [_module(f"layers.{layer}", 100), *(_module(f"layers.{layer}.{part}", 8) for part in range(12))]
    assert _named(tree) == ["", "embed", "layers", *(f"layers.{layer}" for layer in range(32))]


def _resnet50() -> list[ModuleCost]:
    """ResNet-50 at 224: multiply-adds and weights of its convolutions and its classifier, module by module."""
    leaves = {"conv1": (3 * 64 * 49 * 112**2, 3 * 64 * 49), "bn1": (0, 0), "relu": (0, 0), "maxpool": (0, 0)}
    into = 64
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        width, size = 32 * 2**stage, 112 // 2**stage
        for block in range(blocks):
            at = f"layer{stage}.{block}."
            before = size * 2 if block == 0 and stage > 1 else size  # the 3x3 convolution has the stride
            leaves[f"{at}conv1"] = into * width * before**2, into * width
            leaves[f"{at}conv2"] = 9 * width**2 * size**2, 9 * width**2
            leaves[f"{at}conv3"] = 4 * width**2 * size**2, 4 * width**2
            leaves |= {f"{at}{name}": (0, 0) for name in ("bn1", "bn2", "bn3", "relu")}
            if block == 0:
                leaves[f"{at}downsample.0"] = into * 4 * width * size**2, into * 4 * width
                leaves[f"{at}downsample.1"] = 0, 0
            into = 4 * width
    leaves |= {"avgpool": (0, 0), "fc": (2048 * 1000, 2048 * 1000)}
    sums: dict[str, tuple[int, int]] = {}
    for leaf, cost in leaves.items():
        parts = leaf.split(".")
        for depth in range(len(parts) + 1):  # the leaf and every module above it, the model first
            name = ".".join(parts[:depth])
            sums[name] = tuple(map(sum, zip(sums.get(name, (0, 0)), cost, strict=True)))
    return [_module(name, *cost) for name, cost in sums.items()]


def test_resnet50_fits_on_a_page():
    modules = _resnet50()
    assert (len(modules), round(modules[0].flops / 1e9, 3)) == (151, 4.089)  # what torchvision publishes
    rows = 1 + 6  # the model, and what it has beside its stages
    rows += 4 + 3 + 4 + 6 + 3  # the stages and their blocks
    rows += 3 * 8 + 2 * 7  # inside blocks: the strided first ones by FLOPs (9 %), the last stage by parameters
    rows += 2  # the last shortcut alone is 8 % of the parameters
    assert len(_named(modules)) == rows == 67


# -- damage, by hand: each is one error that names file, line, what is there and what to do -------------------------

HEAD = 'entries > "tests/test_cost.py::test_tiny"'
ROW = GOLDEN.splitlines()[34]  # "head" of the second entry, its last row


def _last(old: str, new: str) -> str:
    """The golden text with the last ``old`` replaced: that is in the second entry."""
    before, found, after = GOLDEN.rpartition(old)
    assert found
    return before + new + after


DAMAGE = {
    # text that is not JSON
    "empty": ("", "1: the file is empty"),
    "blank": (" \n\t\n", "1: the file is empty"),
    "byte order mark": ("\ufeff" + GOLDEN, "1: the file begins with a byte order mark. Allowed: UTF-8 without one"),
    "not UTF-8": (GOLDEN.encode().replace(b'"Tiny"', b'"T\xefny"', 1), "6: byte 0xef is not UTF-8"),
    "UTF-16": (b"\xff\xfe" + GOLDEN.encode("utf-16-le"), "1: byte 0xff is not UTF-8"),
    "a comma lost": (_last('"model": "Tiny",', '"model": "Tiny"'), "23:7: damaged JSON: Expecting ',' delimiter"),
    "cut": (GOLDEN[: GOLDEN.index('"point"')], "7:7: damaged JSON: Expecting property name"),
    "a second document": (GOLDEN + "{}", "40:1: damaged JSON: Extra data"),
    "a raw control character": (
        _last('"model": "Tiny"', '"model": "Ti\x1bny"'),
        "22:19: damaged JSON: Invalid control character",
    ),
    "nested in lists": (_last("[4, 8]", "[\n" * 100_000), "39: damaged JSON: nested too deeply"),
    "nested in objects": ('{"a":\n' * 100_000, "21: damaged JSON: nested too deeply"),
    # wrong values
    "a list": ("[]", "1: the file: a list where an object belongs"),
    "a number": ("1", "1: the file: 1 where an object belongs"),
    "no format": (GOLDEN.replace('  "format": 1,\n', ""), "1: the file: the field 'format' is missing"),
    "no entries": ('{\n"format": 1}', "1: the file: the field 'entries' is missing"),
    "format zero": (GOLDEN.replace(": 1,", ": 0,", 1), "2: format: 0 where a whole number from 1 to 10**30 belongs"),
    "format as text": (GOLDEN.replace(": 1,", ': "1",', 1), '2: format: "1" where a whole number from 1 to 10**30'),
    "format true": (GOLDEN.replace(": 1,", ": true,", 1), "2: format: true where a whole number from 1 to 10**30"),
    "entries a list": ('{"format": 1,\n"entries": []}', "2: entries: a list where an object belongs"),
    "entry a text": ('{"format": 1, "entries": {\n"a": "b"}}', '2: entries > a: "b" where an object belongs'),
    "an unknown field": (
        _last('"convention": ', '"conventoin": '),
        f"26: {HEAD} > conventoin: unknown field. Did you mean 'convention'? Allowed: test, model, point, inputs",
    ),
    "a field of the row unknown": (
        _last('"kind": ', '"class": '),
        f"35: {HEAD} > modules > 3 > class: unknown field. Allowed: name, kind, config, flops",
    ),
    "a field missing": (_last('      "model": "Tiny",\n', ""), f"20: {HEAD}: the field 'model' is missing"),
    "a metric missing": (_last('"macs": 4736, "params": 1514, "tr', '"params": 1514, "tr'), f"31: {HEAD} > totals"),
    "an unknown metric": (_last('"memory": 7000', '"meomry": 7000'), "31: Did you mean 'memory'"),
    "negative": (_last('"params": 1290', '"params": -1290'), f"35: {HEAD} > modules > 3 > params: -1290 where a whole"),
    "true for a count": (_last("7000", "true"), f"31: {HEAD} > totals > memory: true where a whole number from 0"),
    "null for a count": (_last("7000", "null"), f"31: {HEAD} > totals > memory: null where a whole number from 0"),
    "a fraction": (_last("7000", "7000.0"), f"31: {HEAD} > totals > memory: 7000.0 where a whole number"),
    "a power": (_last("7000", "7e3"), f"31: {HEAD} > totals > memory: 7e3 where a whole number"),
    "NaN": (_last("7000", "NaN"), f"31: {HEAD} > totals > memory: NaN where a whole number"),
    "infinite": (_last("7000", "-Infinity"), f"31: {HEAD} > totals > memory: -Infinity where a whole number"),
    "above the largest": (_last("7000", str(10**30 + 1)), f"31: > memory: {10**30 + 1} where a whole number"),
    "10,000 digits": (_last("7000", "9" * 10_000), "31: > memory: a number of 10000 characters where a whole"),
    "a count as text": (_last("7000", '"7000"'), f'31: {HEAD} > totals > memory: "7000" where a whole number'),
    "totals a list": (
        _last('"memory": 7000}', '"memory": 7000}]').replace(
            '{"flops": 4736, "macs": 4736, "params": 1514, "t', '[{"flops": 4736, "macs": 4736, "params": 1514, "t'
        ),
        f"31: {HEAD} > totals: a list where an object",
    ),
    "rows an object": (_last('"modules": [', '"modules": {}, "x": ['), f"32: {HEAD} > x: unknown field"),
    "a row a list": (_last(ROW, "[]"), f"35: {HEAD} > modules > 3: a list where an object belongs"),
    "a text a number": (_last('"kind": "Linear"', '"kind": 5'), f"35: {HEAD} > modules > 3 > kind: 5 where a text"),
    "an unknown convention": (
        _last('"fvcore"', '"fvcroe"'),
        f"26: {HEAD} > convention: \"fvcroe\" where one of 'fvcore', 'torch' belongs",
    ),
    "executed elsewhere": (_last('"meta"', '"moon"'), f"28: {HEAD} > executed: \"moon\" where one of 'meta', 'real'"),
    "batch zero": (_last('"batch": 1', '"batch": 0'), f"23: {HEAD} > point > batch: 0 where a whole number from 1"),
    "res a number": (_last("[4, 8]", "4"), f"23: {HEAD} > point > res: 4 where a list belongs"),
    "res of three": (_last("[4, 8]", "[4, 8, 1]"), "23: > res: 3 numbers where [height, width] belongs"),
    "res of text": (_last("[4, 8]", '[4, "8"]'), '23: > res > 2: "8" where a whole number from 1'),
    "a short dtype": (GOLDEN.replace("bfloat16", "bf16"), "7: > point > dtype: \"bf16\" where one of 'bfloat16'"),
    "an unknown mode": (_last('"infer"', '"inference"'), '23: > mode: "inference" where one of'),
    "half a surrogate pair": (
        _last('"Linear"', '"\\ud800"'),
        f"35: {HEAD} > modules > 3 > kind: half a surrogate pair",
    ),
    "half a surrogate pair as name": (_last('"tests/test_cost.py::test_tiny": {', '"\\udfff": {'), "20: half a"),
    # one thing twice
    "two entries with one key": (
        GOLDEN.replace(json.dumps(PART.name), json.dumps(WHOLE.name)),
        f"20: {HEAD}: given twice, the first time on line 4",
    ),
    "one key written two ways": (
        GOLDEN.replace(json.dumps(PART.name), json.dumps(WHOLE.name).replace("t", "\\u0074")),
        f"20: {HEAD}: given twice, the first time on line 4",
    ),
    "one field twice": (
        _last('"model": "Tiny"', '"model": "Tiny",\n"model": "Tiny"'),
        f"23: {HEAD} > model: given twice, the first time on line 22",
    ),
    "a metric twice": (_last('"memory": 7000', '"macs": 1'), f"31: {HEAD} > totals > macs: given twice"),
    "entries twice": (GOLDEN[:-2] + ', "entries": {}}', "39: entries: given twice, the first time on line 3"),
    "a module twice": (_last(ROW, f"{ROW},\n{ROW}"), f"36: {HEAD} > modules > 4 > name: a second row for this module"),
    # rows that do not hang together
    "a row without its parent": (_last('"head", "kind"', '"neck.head", "kind"'), "35: whose parent has none above"),
    "a first row that is not the model": (_last('{"name": ""', '{"name": "net"'), "33: whose parent has none above"),
    "a first row that is not the submodule": (
        GOLDEN.replace('"module": "head"', '"module": ""'),
        "17: whose parent",
    ),
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


@pytest.mark.parametrize("number", [2, 3, 10**30])
def test_a_newer_format_is_told_as_such_whatever_else_is_in_it(number: int):
    with pytest.raises(BaselineError) as caught:
        from_json(f'{{"layout": [1.5],\n\n"format": {number}}}', "budget.json")
    assert str(caught.value) == (
        f"budget.json:3: format: {number} was written by a newer pytest-modelbudget; "
        f"this one, {__version__}, reads 1.\n"
        "Upgrade this one with pip install --upgrade pytest-modelbudget."
    )


OURS, THEIRS = '      "executed": "meta",\n', '      "executed": "real",\n'


@pytest.mark.parametrize(
    ("marked", "marker", "line"),
    [
        (f"<<<<<<< HEAD\n{OURS}=======\n{THEIRS}>>>>>>> topic\n", "<<<<<<<", 28),
        (f"<<<<<<< HEAD\r\n{OURS}=======\r\n{THEIRS}>>>>>>> topic\r\n", "<<<<<<<", 28),
        (f"{OURS}=======\n{THEIRS}>>>>>>> topic\n", "=======", 29),  # half resolved
        (f"{OURS}||||||| 1234567\n{OURS}=======\n{THEIRS}", "|||||||", 29),  # diff3 style
        (f"{OURS}>>>>>>> topic\n", ">>>>>>>", 29),
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
    with pytest.raises(BaselineError, match=r"f:29: .*executed: given twice, the first time on line 28"):
        from_json(_last(OURS, OURS + THEIRS), "f")


def test_a_name_with_conflict_markers_is_only_a_name():
    odd = replace(WHOLE, name="<<<<<<< HEAD\n=======\n>>>>>>>")
    assert from_json(to_json(Baseline.of([odd])), "f") == Baseline.of([odd])


def test_what_an_error_quotes_is_inert_and_short():
    """Names come from whoever opened the pull request; errors go to terminals and annotations."""
    name = "\n::error::x\u202e\x1b[31m" + "y" * 100_000
    text = json.dumps({"format": 1, "entries": {name: {name: name}}}, ensure_ascii=False)
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
