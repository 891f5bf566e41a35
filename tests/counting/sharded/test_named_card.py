"""A named card adds predictions: what is counted is the same, and so is what is alive at each peak."""

from __future__ import annotations

import pytest
from counting.sharded.models import INPUTS, WAYS, built

from pytest_modelbudget import measure

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", ["mlp", "gpt"])
def test_a_named_card_changes_no_count(model, way, mode):
    """What a prediction records of a call keeps nothing that the call was given.

    PyTorch's optimizers refuse parameters of which some are divided by tensor parallelism and some are not.
    """
    step = {"mode": mode, "optimizer": "none" if way == "tp" else "adamw"} if mode == "train" else {}
    plain, named = (
        measure(lambda: built(model, way, 4), inputs=INPUTS[model](), ranks=4, device=device, **step)
        for device in ("cuda", "H100")
    )
    assert named.throughput is not None
    assert (named.macs, named.communication, named.modules) == (plain.macs, plain.communication, plain.modules)
    assert (named.peak.kinds, named.peak.phases) == (plain.peak.kinds, plain.peak.phases)
