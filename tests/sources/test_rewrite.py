"""A limit written into its file: the literal alone changes, whatever stands around it."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path

import killing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources.files import File, call_in, python_files

from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.sources.rewrite import Rewrite, digest_of, rewrites, write
from pytest_modelbudget.text import units
from pytest_modelbudget.text.units import BYTES, counts, parse
from pytest_modelbudget.values.metrics import with_headroom
from pytest_modelbudget.values.written import Place, Wish

TWO = Decimal(2)


def wish(place: Place, used: int = 4_111_512_576, metric: str = "flops") -> Wish:
    return Wish("test_it", metric, used, place)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=python_files())
def test_every_other_byte_stays(tmp_path: Path, file: File):
    path = tmp_path / "test_cost.py"
    path.write_bytes(file.data)
    place = call_in(file.data, str(path), file.line).place("flops")
    (found,) = rewrites([wish(place)], TWO)
    assert found.refused == ()
    quote = b"'" if file.literal.endswith(b"'") else b'"'
    number = not file.literal.startswith((b"'", b'"', b"(", b".", b"u"))
    new = b"4200000000" if number else quote + b"4.2G" + quote  # 4.1115 G and 2 % is 4.1937 G, in three digits 4.20
    if file.literal.startswith(b"("):  # a text in parts, in brackets that stay
        new = b'("4.2G")'
    assert found.after == file.head + new + file.tail
    ast.parse(found.after)
    write(found)
    assert path.read_bytes() == found.after
    place = call_in(found.after, str(path), file.line).place("flops")
    assert rewrites([wish(place)], TWO)[0].lines == ()  # what is right already is not written again


def test_calls_in_one_line_are_told_apart_by_where_they_end(tmp_path):
    data = "x = [f(flops=...), f(flops=...), 'é', f(flops=...)(flops=...)]\n".encode()
    path = tmp_path / "a.py"
    path.write_bytes(data)
    ends = [i + 1 for i in range(len(data)) if data[i : i + 1] == b")"]
    assert len(ends) == 4
    wishes = [wish(call_in(data, str(path), 1, (1, end)).place("flops"), 100 * n) for n, end in enumerate(ends, 1)]
    (found,) = rewrites(wishes, Decimal(0))
    expected = 'x = [f(flops="100"), f(flops="200"), \'é\', f(flops="300")(flops="400")]\n'
    assert found.after.decode() == expected
    (found,) = rewrites([wish(call_in(data, str(path), 1).place("flops"))], TWO)
    assert found.refused == (f"{path}: not written, since several calls are written in the call of line 1. "
                             'For test_it, write flops="4.2G" by hand.',)  # fmt: skip


def test_a_limit_that_several_share_is_the_largest(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("f(flops=...)\n")
    place = call_in(path.read_bytes(), str(path), 1).place("flops")
    (found,) = rewrites([wish(place, 100), wish(place, 300), wish(place, 200)], Decimal(0))
    assert found.after == b'f(flops="300")\n'


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("f(flops=LIMIT)", "it is LIMIT in line 1, which is no literal"),
        ("f(**limits)", "no such argument is written in the call of line 1"),
        ("f(flops=2 * 10)", "it is 2 * 10 in line 1, which is no literal"),
        ("f(flops=...", "it is not Python"),
        ("# coding: latin-1\n\n", "no such argument is written"),
    ],
)
def test_what_is_no_literal_is_left_alone_and_told(tmp_path, source, why):
    path = tmp_path / "a.py"
    path.write_text(source)
    (found,) = rewrites([wish(call_in(path.read_bytes(), str(path), 1).place("flops"))], TWO)
    assert (found.lines, found.before) == ((), found.after)
    assert why in found.refused[0]
    assert 'write flops="4.2G" by hand' in found.refused[0]


def test_a_file_that_changed_is_left_alone(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("f(flops=...)\n")
    place = call_in(path.read_bytes(), str(path), 1).place("flops")
    (found,) = rewrites([wish(place)], TWO)
    path.write_text("f(flops=...)  # edited\n")
    with pytest.raises(UsageError, match="changed while the run went on"):
        write(found)
    (late,) = rewrites([wish(place)], TWO)
    assert "it changed while the run went on, so it was left alone" in late.refused[0]
    assert path.read_text() == "f(flops=...)  # edited\n"


def toml_place(path: Path, *keys: str | int, argument: str = "flops") -> Place:
    return Place(str(path), digest_of(path.read_bytes()), argument, path=("tool", "modelbudget", "budgets", *keys))


TOML = '''\
[tool.other]  # größe
flops = "..."
text = """
flops = "..."
[tool.modelbudget.budgets.a]
"""

[tool.modelbudget.budgets."a"]
model = "nets:a"
flops   =   "..."   # a comment
"params" = 10

[tool.modelbudget]
budgets.b = { model = "nets:b", flops = '...', params = 1_0 }
[[tool.modelbudget.budgets.c]]
flops = "..."
[[tool.modelbudget.budgets.c]]
flops = "..."
'''


@given(crlf=st.booleans())
def test_a_table_is_written_where_its_value_stands(tmp_path_factory, crlf):
    path = tmp_path_factory.mktemp("toml") / "pyproject.toml"
    end = "\r\n" if crlf else "\n"
    text = TOML.replace("\n", end)
    path.write_bytes(text.encode())
    wishes = [
        wish(toml_place(path, "a"), 100),
        wish(toml_place(path, "a", argument="params"), 300, "params"),
        wish(toml_place(path, "b"), 200),
        wish(toml_place(path, "c", 1), 400),
    ]
    (found,) = rewrites(wishes, Decimal(0))
    assert found.refused == ()
    new = text.replace('flops   =   "..."', 'flops   =   "100"').replace('"params" = 10', '"params" = 300')
    new = new.replace("'...'", "'200'")
    begin = new.rindex('"..."')
    assert found.after.decode() == new[:begin] + '"400"' + new[begin + 5 :]


@settings(max_examples=300)
@given(value=st.integers(0, 10**21), percent=st.sampled_from(["0", "2", "0.1", "50"]), unit=st.sampled_from(["c", "b"]))
def test_headroom_is_kept_and_little_more(value, percent, unit):
    kind = {"c": counts("FLOPs"), "b": BYTES}[unit]
    limit = parse(units.with_headroom(value, kind, Decimal(percent)), kind, "flops")
    exact = value * (1 + Decimal(percent) / 100)
    assert value <= limit
    assert exact - 1 <= limit <= exact * Decimal("1.0101") + 1


@pytest.mark.parametrize(
    ("used", "metric", "text"),
    [
        (4_111_512_576, "flops", "4.2G"),  # 4.1937 G
        (25_557_032, "params", "26.1M"),  # 26.068 M
        (128, "flops", "131"),  # 130.56
        (0, "params", "0"),
        (980_000_000, "flops", "1G"),  # 999.6 M, which three digits round up to 1000 M
        (2**20, "memory", "1.02MiB"),
        (3_000_000, "latency", "3.06ms"),
    ],
)
def test_what_people_would_write(used, metric, text):
    assert with_headroom(used, metric, TWO) == text


def test_a_killed_write_leaves_the_old_file_or_the_new_one(tmp_path):
    runs = killing.run("sources.killed_writes", tmp_path)
    assert len(runs) > 20
    assert {run["file"] for run in runs} == {"old", "new"}
    assert {run["mode"] for run in runs} == {0o640}


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.py").write_text("f(flops=...)\n")
    link = tmp_path / "a.py"
    link.symlink_to("real.py")
    data = link.read_bytes()
    write(Rewrite(str(link), data, b"new\n"))
    assert link.is_symlink()
    assert (tmp_path / "real.py").read_bytes() == b"new\n"
