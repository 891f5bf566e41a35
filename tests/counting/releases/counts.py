"""The file of expected counts: how it is made, and what is in it. Run as a script with the release it is made with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("counts.json")
KEPT = ("macs", "flops", "activations", "params", "weights", "memory")


def counted(name: str) -> dict[str, dict[str, int]]:
    """What a model costs in inference, and in a training step if it can be trained."""
    from counting.releases.models import MODELS

    from pytest_modelbudget import measure

    model = MODELS[name]
    costs = {"infer": measure(model.build, inputs=model.inputs, **model.options)}
    if model.trains:
        costs["train"] = measure(model.build, inputs=model.inputs, mode="train", optimizer="adamw", **model.options)
    return {
        mode: {key: getattr(cost, key) for key in KEPT} | {"uncounted": len(cost.uncounted)}
        for mode, cost in costs.items()
    }


def expected() -> dict[str, Any]:
    """The counts in the file, by model."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import torchvision_ops
    from counting.releases.models import MODELS, add_torchvision

    torchvision_ops.install()
    add_torchvision()
    lines = [f" {json.dumps(name)}: {json.dumps(counted(name))}" for name in MODELS]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    sys.stdout.write(f"{len(MODELS)} models\n")
