"""The study of learning: its tables by hand, one command that makes it all on a small grid, and what is kept of it."""

from __future__ import annotations

import csv
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "batch_and_resolution"
KEPT = EXAMPLE / "results"

SMALL = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import learning

if __name__ == "__main__":
    learning.BATCHES, learning.RESOLUTIONS, learning.SEEDS = (32, 128), (7, 14), (0, 1)
    learning.EPOCHS, learning.TARGET, learning.CALIBRATED = 2, 0.5, 0
    learning.main(Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("mlxtend")
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("learning")
    script = folder / "small.py"  # a file, since the processes that train import it again
    script.write_text(SMALL, encoding="utf-8")
    command = [sys.executable, script, EXAMPLE, folder / "results"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder / "results"


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "learning.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose header begins with ``first``."""
    lines = text[text.index(f"| {first}") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|-")]


def test_one_command_trains_measures_and_draws(made):
    assert {path.name for path in made.iterdir()} == {"learning.csv", "learning.md", "learning.png"}
    assert (made / "learning.png").read_bytes().startswith(b"\x89PNG")
    runs = rows(made)
    assert len(runs) == 2 * 2 * 2 + 2  # and those with one rate
    assert all(float(run["test_accuracy"]) > 0.4 for run in runs if run["rate"] != "0.05")  # a guess is right in 0.1
    assert {(run["batch"], run["steps"]) for run in runs} == {("32", str(2 * (3500 // 32))), ("128", str(2 * 27))}


def test_predictions_stand_beside_what_was_measured(made):
    """FLOPs by hand: 9 multiply-adds for each pair of channels and pixel of four maps, forward and twice backward."""
    header, *cells = table((made / "learning.md").read_text(encoding="utf-8"), "res ")
    found = [dict(zip(header, cell, strict=True)) for cell in cells]
    assert [(cell["res"], cell["batch"]) for cell in found] == [("7", "32"), ("7", "128"), ("14", "32"), ("14", "128")]
    assert all(cell["memory, measured"] == cell["memory, predicted"] for cell in found)
    forward = 9 * (14**2 * 8 + 7**2 * 8 * 16 + 4**2 * 16 * 32 + 2**2 * 32 * 64) + 64 * 10
    first = 9 * 14**2 * 8  # whose input needs no gradient
    convolved = 32 * (3 * forward - first)
    assert convolved < 21.05e6
    assert found[2]["FLOPs of a step"] == "21 M"  # and norms and the mean, as fvcore counts them, forward alone
    assert 0.9 < convolved / 21e6 < 1


def test_the_readme_shows_the_claims_that_are_kept():
    text, readme = (file.read_text(encoding="utf-8") for file in (KEPT / "learning.md", EXAMPLE / "README.md"))
    kept, shown = table(text, "about"), table(readme, "about")
    (error,) = re.findall(r"median error \d+ %", " ".join(text.split()))
    assert error in readme
    assert [row for row in kept if ":-" not in row[0]] == [row for row in shown if "--" not in row[0]]
    assert {row[0].partition(" ")[0].rstrip(",") for row in shown} >= {
        "compute", "parameters", "memory", "speed", "stability", "generalisation",
    }  # fmt: skip


def test_the_kept_table_is_of_the_kept_runs():
    """Mean and standard deviation of the test accuracy, and the median steps to the target."""
    header, *cells = table((KEPT / "learning.md").read_text(encoding="utf-8"), "res ")
    runs = rows(KEPT)
    assert len(cells) == 12
    for cell in (dict(zip(header, cell, strict=True)) for cell in cells):
        mine = [run for run in runs if (run["res"], run["batch"]) == (cell["res"], cell["batch"])][:5]
        tests = [100 * float(run["test_accuracy"]) for run in mine]
        assert cell["test accuracy"] == f"{statistics.mean(tests):.1f} ± {statistics.stdev(tests):.1f} %"
        steps = sorted(float(run["steps_to_target"] or "inf") for run in mine)[2]
        assert cell["steps to target"] == ("-" if steps == float("inf") else f"{steps:,.0f}")
