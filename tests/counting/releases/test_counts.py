"""The counts of a hundred models, made with PyTorch 2.13, are those of every other release.

That they are right is held elsewhere: against published figures, real runs and other counters, on 2.13.
"""

from __future__ import annotations

import pytest
from counting.releases import counts, models
from releases import RELEASE

try:
    models.add_torchvision()
    WITHOUT = ""
except (ImportError, RuntimeError) as error:
    WITHOUT = f"torchvision cannot be imported beside this PyTorch: {error}"

EXPECTED = counts.expected()

OTHERWISE: dict[str, dict[str, dict[str, int]]] = {}
if RELEASE < (2, 12):
    # F.multi_head_attention_forward held its scores (2 x 4 heads of 12 x 12, less what went meanwhile) during softmax
    OTHERWISE["attention"] = {"infer": {"memory": 43_008}}
if RELEASE >= (2, 14):
    # native_group_norm_backward takes the expanded gradient of the sum as it is, and makes no contiguous copy of it
    OTHERWISE["group_norm"] = {"train": {"memory": 33_004}}
"""What other releases count otherwise, since they run otherwise: as much as is alive in a real run of them."""


def test_there_are_a_hundred():
    without = {name for name in set(EXPECTED) - set(models.MODELS) if not (WITHOUT and name.startswith("torchvision"))}
    assert len(EXPECTED) > 100
    assert set(models.MODELS) <= set(EXPECTED)
    assert without == set()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXPECTED)
def test_a_model_costs_the_same_in_every_release(name):
    if name not in models.MODELS:
        pytest.skip(WITHOUT)
    expected = EXPECTED[name]
    for mode, before in OTHERWISE.get(name, {}).items():
        assert before.items().isdisjoint(expected[mode].items())
        expected[mode] |= before
    assert counts.counted(name) == expected
