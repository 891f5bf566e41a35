"""The picture of a history: what its lines and its legend say, and that nothing covers anything."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from cli.review_samples import entry
from matplotlib.figure import Figure
from report_samples import G, K, M

from pytest_modelbudget.baseline.history import History, State
from pytest_modelbudget.report.history.picture import history_figure
from pytest_modelbudget.report.history.table import history_table
from pytest_modelbudget.values.entry import Entry


def a(flops: int, **changed: object) -> Entry:
    """An entry named a."""
    return entry("a", flops, M, **changed)


def history(count: int, commits: int, name: str = "tests/test_cost.py::test_model_{}") -> History:
    """Entries of which each grows by 10 % at every commit that its number divides."""
    values = {name.format(number): number * G for number in range(1, count + 1)}
    states = []
    for place in range(1, commits + 1):
        for number, key in enumerate(values, 1):
            values[key] = values[key] * 11 // 10 if place % number == 0 and place > 1 else values[key]
        entries = {key: entry(key, value, M) for key, value in values.items()}
        states.append(State(f"{place:040x}", f"2025-03-{1 + place % 28:02}", f"commit {place}", entries))
    return History(tuple(states))


def texts_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(("count", "commits"), [(1, 1), (1, 2), (2, 5), (5, 12), (10, 13), (11, 30), (60, 100)])
@pytest.mark.parametrize("name", ["tests/test_cost.py::test_model_{}", "x" * 100 + "{}"], ids=["short", "long"])
def test_the_legend_covers_no_line_and_the_labels_do_not_touch(count, commits, name):
    found = history(count, commits, name)
    figure = history_figure(found, "flops", found.names)
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    inside, all_of_it = legend.get_window_extent(), figure.bbox
    assert not inside.overlaps(axes.get_tightbbox())
    assert all_of_it.x0 <= inside.x0 < inside.x1 <= all_of_it.x1
    assert all_of_it.y0 <= inside.y0 < inside.y1 <= all_of_it.y1
    labels = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert 1 <= len(labels) <= 10
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(labels))
    lines = [line for line in axes.get_lines() if len(line.get_xdata())]
    assert len(lines) == count
    assert len(texts_of(figure)) == min(count, 11)


def test_one_entry_is_drawn_by_its_value_and_several_relative_to_their_first():
    """G, then 1.1 G: one commit later 1.1 times as much."""
    alone, together = history_figure(history(1, 2), "flops", ["tests/test_cost.py::test_model_1"]), history(2, 2)
    (line,) = alone.axes[0].get_lines()
    assert list(line.get_ydata()) == [1 * G, 1100 * M, 1100 * M]  # the last holds on to the edge
    figure = history_figure(together, "flops", together.names)
    assert [list(line.get_ydata()) for line in figure.axes[0].get_lines()] == [[1, 1.1, 1.1], [1, 1.1, 1.1]]
    assert texts_of(figure)[0] == "1 G \u2192 1.1 G   tests/test_cost.py::test_model_1"
    figure.draw_without_rendering()
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "1.00x" in ticks
    alone.draw_without_rendering()
    assert "1 G" in [label.get_text() for label in alone.axes[0].get_yticklabels()]


def test_of_many_those_that_moved_most_are_told_apart():
    """Of 60 entries, number n grows at every n-th commit: those with the lowest numbers move most."""
    found = history(60, 100)
    texts = texts_of(history_figure(found, "flops", found.names))
    assert sorted(int(text.rpartition("_")[2]) for text in texts[:10]) == list(range(1, 11))
    assert texts[10] == "50 more, which moved less"


def states(*entries: Entry | str | None) -> History:
    """One entry at each commit: as it is, gone with its file, or in a file that is damaged."""
    made = []
    for number, what in enumerate(entries):
        state = State(f"{number:040x}", f"2025-03-{number + 1:02}", "")
        if what is None:
            made.append(replace(state, problem="the file is not there"))
        elif isinstance(what, str):
            made.append(replace(state, problem=what))
        else:
            made.append(replace(state, entries={what.name: what}))
    return History(tuple(made))


LINES = [
    ("gone and back", states(a(G), None, a(2 * G)), [([0, 1], [G, G]), ([2, 2.4], [2 * G, 2 * G])]),
    ("not to be read", states(a(G), "damaged", a(2 * G)), [([0, 1, 2, 2.4], [G, G, 2 * G, 2 * G])]),
    (
        "counted otherwise",
        states(a(G), a(2 * G, convention="torch"), a(3 * G, convention="torch")),
        [([0, 1], [G, G]), ([1, 2, 2.4], [2 * G, 3 * G, 3 * G])],
    ),
    ("from nothing", states(a(0), a(5 * K)), [([0, 1, 1.4], [0, 5 * K, 5 * K])]),
]


@pytest.mark.parametrize(("found", "want"), [case[1:] for case in LINES], ids=[case[0] for case in LINES])
def test_a_line_is_broken_where_it_means_something_else(found, want):
    lines = history_figure(found, "flops", ["a"]).axes[0].get_lines()
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in lines] == want


def test_beside_others_what_was_counted_otherwise_goes_on_from_where_it_was():
    """From G to 2 G it doubled; to 8 G it was counted otherwise; from there to 12 G it grew to 1.5 times: 3 in all."""
    b = entry("b", G, M)
    steps = (a(G), a(2 * G), a(8 * G, convention="torch"), a(12 * G, convention="torch"))
    made = [State(str(n) * 40, f"2025-03-0{n + 1}", "", {"a": step, "b": b}) for n, step in enumerate(steps)]
    figure = history_figure(History(tuple(made)), "flops", ["a", "b"])
    before, after, other = figure.axes[0].get_lines()
    assert (list(before.get_ydata()), list(after.get_ydata())) == ([1, 2, 2], [2, 3, 3])
    assert set(other.get_ydata()) == {1}
    assert texts_of(figure) == ["1 G \u2192 2 G  |  8 G \u2192 12 G   a", "1 G   b", "counted otherwise from here on"]
    assert "not comparable: counted in the convention fvcore before, torch now" in history_table(
        History(tuple(made)), "flops", ["a", "b"]
    )
