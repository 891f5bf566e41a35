"""`python -m benchmarks.calibrate TABLES FEATURES`: fit to the tables; write the package's calibration and the pages.

TABLES is the folder of the measurements, FEATURES that of ``python -m benchmarks.calibrate.features``.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

import pytest_modelbudget.values
from pytest_modelbudget.values.fits import Calibration

from . import pages
from .memory import rungs
from .memory_fits import LADDERS, SHOWN, bytes_of, ladders_of, memory_fits
from .samples import samples
from .tables import rows
from .time_fits import SOURCES, fitted_groups, time_fits

PACKAGED = Path(pytest_modelbudget.values.__file__).parent / "calibration.json"


def main() -> None:
    """Fit and write."""
    tables, features = map(Path, sys.argv[1:3])
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    timed = samples(tables, features)
    groups = fitted_groups(timed)
    measured = rungs(tables, features)
    shown = bytes_of(measured)
    ladders = ladders_of(measured)
    found = Calibration(
        today, (*SOURCES.values(), SHOWN, LADDERS), tuple(time_fits(groups, timed)), tuple(memory_fits(shown, ladders))
    )
    PACKAGED.write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    pages.put(pages.DOCS / "throughput.md", pages.time_section(groups, timed))
    pages.put(pages.DOCS / "memory-validation.md", pages.memory_section(shown, ladders, pages.agreement(rows(tables))))
    pages.draw_time(groups)
    pages.draw_memory(shown)
    pages.draw_ladders(ladders)
    for one in found.fits:
        print(f"{one.card:12} {one.way} {one.rows} rows: {one.percent} %, on other cards {one.borrowed} %")
    for each in found.memory:
        print(f"{each.card:12} {each.mode}: {each.percent} % of bytes, {each.right} % of {each.rows} batches")


if __name__ == "__main__":
    main()
