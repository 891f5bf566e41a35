"""Models that look at their token ids and masks: counted on meta all the same, with these small tensors kept real."""

from __future__ import annotations

import pytest
import torch
import transformers
from four_ways import rows
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import ModelError, measure

IDS = torch.tensor([[3, 1, 2, 0]])


class Chooses(nn.Module):
    """Runs its layer as often as ``rounds`` says, which reads values."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 4)
        self.layer = nn.Linear(4, 4, bias=False)

    def rounds(self, ids, x):
        return int(ids.max())

    def forward(self, ids):
        x = self.embedding(ids)
        for _ in range(self.rounds(ids, x)):
            x = self.layer(x)
        return x


class MasksItself(Chooses):
    """Makes its mask where its weights are, and reads it."""

    def rounds(self, ids, x):
        mask = torch.ones(ids.shape, device=x.device).to(x.device, torch.bool)
        positions = torch.arange(ids.shape[1], device=x.device)
        return 2 if mask.all() and positions[-1] == ids.shape[1] - 1 else 5


class SelectsTokens(Chooses):
    """Selects the embeddings of its tokens that are no padding."""

    def forward(self, ids):
        keep = ids.ne(0)
        assert keep.any()
        return self.layer(self.embedding(ids)[keep])


class ReadsActivations(Chooses):
    def rounds(self, ids, x):
        return int(ids.max()) + int(x.sum() > 1e9)


class WritesToItsMask(Chooses):
    """Fills a tensor of zeros from activations: its values do not last, those of the ids do."""

    def rounds(self, ids, x):
        scores = torch.zeros(ids.shape)
        scores[:] = x.sum(-1)
        return int(ids.max())


class WantsOneDevice(Chooses):
    def rounds(self, ids, x):
        rounds = int(ids.max())
        if ids.device != x.device:
            raise ValueError("ids and weights are on different devices")
        return rounds


@pytest.mark.parametrize(
    ("model", "calls", "executed"),
    [
        (Chooses, 3 * 4, "meta"),
        (MasksItself, 2 * 4, "meta"),
        (SelectsTokens, 3, "meta"),
        (ReadsActivations, 3 * 4, "real"),
        (WritesToItsMask, 3 * 4, "meta"),
    ],
)
def test_ids_that_are_read_stay_real(model, calls, executed):
    cost = measure(model, inputs=IDS)
    assert (cost.macs, cost.executed, cost.uncounted) == (calls * 4 * 4, executed, {})
    assert rows(attempt(model, real=True, grad=False, inputs=IDS)) == rows(cost)
    (note,) = cost.notes
    assert note.startswith("The model reads values that the meta device does not have (aten::")
    assert note.endswith("kept theirs." if executed == "meta" else ": run for real on seeded inputs.")


def test_the_reason_of_a_real_run_is_that_of_the_attempt_before_it():
    """Token ids that keep their values are on the CPU, which this model does not take beside weights on meta."""
    cost = measure(WantsOneDevice, inputs=IDS)
    assert (cost.macs, cost.executed, cost.uncounted) == (3 * 4 * 4 * 4, "real", {})
    (note,) = cost.notes
    assert note.startswith("On the meta device the model raised ValueError: ids and weights are on different devices (")
    assert note.endswith(": run for real on seeded inputs.")


@pytest.mark.parametrize(
    "inputs",
    [(IDS,), {"ids": IDS}, lambda: IDS, lambda: torch.full((1, 4), 3), lambda: {"ids": torch.tensor(IDS.tolist())}],
)
def test_in_every_form_of_inputs(inputs):
    cost = measure(Chooses, inputs=inputs)
    assert (cost.macs, cost.executed) == (3 * 4 * 4 * 4, "meta")


def test_generated_ids_are_zeros_as_in_a_real_run():
    cost = measure(Chooses, batch=2, seq=8)
    assert (cost.macs, cost.executed) == (0, "meta")
    assert attempt(Chooses, real=True, grad=False, batch=2, seq=8).macs == 0


def test_what_is_not_small_is_run_for_real():
    """Integers of 4,194,304 elements at most."""
    assert measure(Chooses, batch=1, seq=1 << 22).executed == "meta"
    assert measure(Chooses, batch=1, seq=(1 << 22) + 1).executed == "real"


def test_the_users_ids_are_left_alone():
    class Overwrites(Chooses):
        def rounds(self, ids, x):
            rounds = int(ids.max())
            ids.zero_()
            return rounds

    ids = IDS.clone()
    assert measure(Overwrites(), inputs=ids).executed == "meta"
    assert torch.equal(ids, IDS)


def test_the_models_own_error_is_still_its_own():
    class Fails(Chooses):
        def rounds(self, ids, x):
            raise ValueError(f"{int(ids.max())} is too many")

    with pytest.raises(ModelError, match="3 is too many"):
        measure(Fails, inputs=IDS)


SMALL = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
MASKED = {
    "bert": lambda: transformers.BertModel(transformers.BertConfig(**SMALL)),
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL)),
    "mistral": lambda: transformers.MistralForCausalLM(transformers.MistralConfig(**SMALL, num_key_value_heads=2)),
    "opt": lambda: transformers.OPTForCausalLM(
        transformers.OPTConfig(
            vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64,
            word_embed_proj_dim=32,
        )
    ),
    "bart": lambda: transformers.BartModel(
        transformers.BartConfig(
            vocab_size=50, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64,
        )
    ),
    "t5": lambda: transformers.T5EncoderModel(
        transformers.T5Config(vocab_size=50, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    ),
}  # fmt: skip


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("name", MASKED)
def test_a_masked_transformer_is_counted_on_meta(name, padding):
    """Whether padded or not: attention counts in full."""
    mask = torch.ones(2, 16, dtype=torch.int64)
    mask[:, 16 - padding :] = 0
    inputs = {"input_ids": torch.full((2, 16), 7), "attention_mask": mask}
    cost = measure(MASKED[name], inputs=inputs)
    assert (cost.executed, cost.uncounted) == ("meta", {})
    assert rows(attempt(MASKED[name], real=True, grad=False, inputs=inputs)) == rows(cost)
    if name != "bart":  # without a mask, and so without anything to read
        assert measure(MASKED[name], inputs={"input_ids": inputs["input_ids"]}).macs == cost.macs
