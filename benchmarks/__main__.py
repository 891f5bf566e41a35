"""`python -m benchmarks`: measure, and write the results, their table and their pictures."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from . import comparison, goals, machine, pictures, plugin_weight, render

PARTS = ("comparison", "growth", "goals", "plugin")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the parts that were asked for; the others keep the results that they have."""
    options = _parser().parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    raw = options.output / "results.json"
    results: dict[str, Any] = json.loads(raw.read_text(encoding="utf-8")) if raw.exists() else {}
    for part in options.only:
        conditions = {**machine.describe(), "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}
        results[part] = {"machine": conditions, "quick": options.quick, "rows": _run(part, options.quick)}
        raw.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (options.output / "results.md").write_text(render.document(results), encoding="utf-8")
    if "plugin" in results:
        (options.output / "plugin_weight.md").write_text(render.plugin(results["plugin"]), encoding="utf-8")
    pictures.draw(results, options.output)
    if "goals" in results:
        print(render.goals_table(results["goals"]["rows"]))
    print(f"written: {options.output}")


def _run(part: str, quick: bool) -> Any:
    if part == "comparison":
        return comparison.compare(rounds=1 if quick else 3, limit=300, report=_report)
    if part == "growth":
        batches, sizes = ([1, 8], [128, 256]) if quick else ([1, 4, 16, 64], [128, 256, 512, 1024])
        return comparison.grow(batches, sizes, _report)
    if part == "goals":
        return goals.measure(rounds=1 if quick else 5, limit=30, report=_report)
    return plugin_weight.measure(runs=2 if quick else 5, entries=20 if quick else 200, report=_report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once each, and fewer points")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="the parts to measure again")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the folder that is written")
    return parser


def _report(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
