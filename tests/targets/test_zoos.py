"""Models by name from torchvision, timm and transformers, with arguments: costs derived by hand, errors that help."""

from __future__ import annotations

import sys

import pytest
import timm  # noqa: F401 - all are loaded before tests that run pytest in this process, which forgets what it loads
import torchvision.models  # noqa: F401
import transformers

from pytest_modelbudget import TargetError, UsageError, fit, measure, sweep
from pytest_modelbudget.targets.find import find_target

pytestmark = pytest.mark.filterwarnings("ignore")

WIDTH, INNER, LAYERS = 32, 48, 2
SMALL = {
    "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
}  # fmt: skip


def blocks(tokens: int, layers: int = LAYERS) -> int:
    """Multiply-adds of transformer blocks: four projections, two of the MLP, scores and their sums of values."""
    return tokens * layers * (4 * WIDTH**2 + 2 * WIDTH * INNER + 2 * tokens * WIDTH)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def bert(folder):
    transformers.BertConfig(vocab_size=50, **SMALL).save_pretrained("bert")
    return "hf:bert"


@pytest.mark.parametrize("place", ["hf:bert", "hf:./bert", "hf:bert/config.json"])
def test_a_configuration_is_enough(bert, place):
    """Only config.json is there. The pooler is one more projection of the first token."""
    cost = measure(place, batch=3, seq=16)
    assert (cost.model, cost.executed) == ("BertModel", "meta")
    assert cost.macs == 3 * (blocks(16) + WIDTH**2)


def test_its_own_example_where_no_size_is_said(bert):
    """transformers' dummy_inputs are three texts of five tokens."""
    cost = measure(bert)
    assert cost.inputs == "input_ids=int64 (3, 5)"
    assert cost.macs == 3 * (blocks(5) + WIDTH**2)


def test_fields_of_the_configuration_are_arguments(bert):
    cost = measure(bert, seq=16, args={"num_hidden_layers": 5})
    assert cost.macs == blocks(16, layers=5) + WIDTH**2
    assert measure(bert, seq=16).macs == blocks(16) + WIDTH**2  # the configuration is read anew


def test_the_architecture_that_the_configuration_names_or_an_argument(folder):
    """Of masked words: a projection and a decoder to the vocabulary at each token, and no pooler."""
    transformers.BertConfig(vocab_size=50, architectures=["BertForMaskedLM"], **SMALL).save_pretrained("bert")
    assert measure("hf:bert", seq=16).macs == blocks(16) + 16 * (WIDTH**2 + WIDTH * 50)
    named = measure("hf:bert", seq=16, args={"architecture": "BertForSequenceClassification", "num_labels": 7})
    assert named.macs == blocks(16) + WIDTH**2 + WIDTH * 7


def test_pictures_have_the_size_and_channels_of_the_configuration(folder):
    """Patches of 16 by 16: 16 of them at 64 pixels, and one token of the class."""
    transformers.ViTConfig(image_size=64, num_channels=1, **SMALL).save_pretrained("vit")
    cost = measure("hf:vit", batch=2)
    assert (str(cost.point), cost.inputs) == ("batch 2, res 64, infer", "pixel_values=float32 (2, 1, 64, 64)")
    assert cost.macs == 2 * (16 * 16 * 16 * WIDTH + blocks(17) + WIDTH**2)


def test_encoders_with_decoders_texts_with_pictures_and_sounds(folder):
    small = {"d_model": WIDTH, "d_kv": 8, "d_ff": INNER, "num_layers": LAYERS, "num_heads": 4}
    transformers.T5Config(vocab_size=50, **small).save_pretrained("t5")
    assert measure("hf:t5", batch=2, seq=7).inputs == "input_ids=int64 (2, 7), decoder_input_ids=int64 (2, 7)"
    sizes = {"text_config": {**SMALL, "vocab_size": 50}, "vision_config": {**SMALL, "image_size": 64}}
    transformers.CLIPConfig(**sizes).save_pretrained("clip")
    assert measure("hf:clip", batch=2).inputs == "input_ids=int64 (2, 77), pixel_values=float32 (2, 3, 64, 64)"
    assert measure("hf:clip", seq=9).inputs == "input_ids=int64 (1, 9), pixel_values=float32 (1, 3, 64, 64)"
    layers = {f"{part}_{key}": value for part in ("encoder", "decoder") for key, value in
              {"layers": 1, "attention_heads": 4, "ffn_dim": INNER}.items()}  # fmt: skip
    sounds = {"vocab_size": 60, "pad_token_id": 1, "max_source_positions": 20, "max_target_positions": 12}
    transformers.WhisperConfig(d_model=WIDTH, **layers, **sounds).save_pretrained("whisper")
    assert measure("hf:whisper").inputs == "input_features=float32 (1, 80, 40), decoder_input_ids=int64 (1, 12)"
    transformers.Wav2Vec2Config(**{**SMALL, "num_hidden_layers": 1}).save_pretrained("wave")
    assert measure("hf:wave").inputs == "input_values=float32 (1, 16000)"


def test_weights_are_never_there(folder):
    """In the configuration's dtype, of a size that no machine here could hold: it is built on the meta device."""
    wide = {"hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 30, "num_attention_heads": 128}
    config = transformers.LlamaConfig(architectures=["LlamaForCausalLM"], dtype="bfloat16", vocab_size=128, **wide)
    config.save_pretrained("large")
    cost = measure("hf:large", seq=1)
    assert cost.params > 100e9
    assert cost.weights >= 2 * cost.params
    assert cost.weights < 3 * cost.params


CODE = """
import pathlib
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

pathlib.Path({mark!r}).write_text("ran")


class OwnConfig(PretrainedConfig):
    model_type = "own"
    width = 4


class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.layer = nn.Linear(8, config.width)
        self.post_init()

    def forward(self, x):
        return self.layer(x)
"""
CONFIG = '{"model_type": "own", "width": 3, "architectures": ["OwnModel"], "auto_map": {"AutoConfig": "own.OwnConfig", \
"AutoModel": "own.OwnModel"}}'


def test_code_that_comes_with_a_model_runs_only_when_it_is_asked_for(folder, monkeypatch):
    (folder / "net").mkdir()
    (folder / "net" / "config.json").write_text(CONFIG)
    (folder / "net" / "own.py").write_text(CODE.format(mark=str(folder / "ran")))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder / "modules"))
    with pytest.raises(TargetError, match="only with the argument trust_remote_code=true"):
        measure("hf:net", inputs=(2, 8))
    assert not (folder / "ran").exists()
    cost = measure("hf:net", inputs=(2, 8), args={"trust_remote_code": True})
    assert cost.macs == 2 * 8 * 3
    assert (folder / "ran").exists()


@pytest.mark.parametrize(
    ("target", "args", "error", "message"),
    [
        ("hf:nothing", {}, TargetError, "hf:nothing has no configuration that loads: OSError: "),
        (
            "hf:nothing",
            {},
            TargetError,
            "Allowed: a folder with a config.json, as save_pretrained() writes it, or a name",
        ),
        ("hf:empty", {}, TargetError, "hf:empty has no configuration that loads: "),
        ("hf:bert", {"num_layers": 3}, UsageError, "args: hf:bert takes no argument 'num_layers'."),
        ("hf:bert", {"hidden_sise": 3}, UsageError, "Did you mean 'hidden_size'? Allowed: architecture, trust_remote"),
        ("hf:bert", {"hidden_size": "3"}, UsageError, "args: hidden_size='3' is not what hf:bert takes."),
        ("hf:bert", {"architecture": "BertForMasked"}, UsageError, "Did you mean 'BertForMaskedLM'?"),
        (
            "hf:bert",
            {"architecture": "BertConfig"},
            UsageError,
            "'BertConfig' is not a model class of this transformers",
        ),
        ("hf:bert", {"trust_remote_code": "yes"}, UsageError, "trust_remote_code='yes' is not what hf:bert takes."),
        (
            "timm:resnet10t",
            {"num_clases": 3},
            TargetError,
            "unexpected keyword argument 'num_clases'. Did you mean 'num_c",
        ),
        ("timm:resnet10t", {"pretrained": True}, UsageError, "args: pretrained=True would load weights"),
        ("torchvision:resnet18", {"num_clases": 3}, TargetError, "'num_clases'. Did you mean 'num_classes'? Allowed: "),
        ("torchvision:resnet18", {"weights": "DEFAULT"}, UsageError, "args: weights=DEFAULT would load weights"),
        ("torchvision:resnet18", {"progress": "x"}, UsageError, "args: progress='x' is not what torchvision:resnet18"),
    ],
)
def test_what_cannot_be_meant_is_said(bert, folder, target, args, error, message):
    (folder / "empty").mkdir()
    with pytest.raises(error) as raised:
        measure(target, seq=16, args=args)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("target", "package"),
    [("hf:bert", "transformers"), ("timm:resnet10t", "timm"), ("torchvision:resnet18", "torchvision"),
     ("diffusers:UNet2DModel", "diffusers"), ("ultralytics:yolo11n.yaml", "ultralytics")],
)  # fmt: skip
def test_a_package_that_is_not_there_can_be_installed(monkeypatch, target, package):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TargetError) as raised:
        find_target(target)
    said = f"{target} needs the package {package}, which is not installed. Install it: pip install {package}"
    assert str(raised.value) == said


def test_arguments_of_torchvision_and_timm():
    """The last layer has an output and a bias less for each class that is left out; at the size its zoo gives it."""
    for target, width in (("torchvision:resnet18", 512), ("timm:resnet10t", 512)):
        whole, ten = measure(target), measure(target, args={"num_classes": 10})
        assert whole.params - ten.params == 990 * (width + 1)
        assert whole.point == ten.point
    small = measure("timm:vit_tiny_patch16_224", args={"img_size": 96})
    assert small.point.res == (96, 96)


def test_grids_take_targets_with_arguments(bert):
    found = sweep(bert, args={"num_hidden_layers": 1}, seq="4:6:1", batch=[1, 2])
    by_point = {(cell.point.batch, cell.point.seq): cell.values["macs"] for cell in found}
    assert by_point == {(b, s): b * (blocks(s, 1) + WIDTH**2) for b in (1, 2) for s in (4, 5, 6)}
    limit = blocks(9, 1) + WIDTH**2
    assert fit(bert, args={"num_hidden_layers": 1}, macs=limit, batch=1).seq == 9
    assert fit("timm:resnet10t", args={"num_classes": 10}, flops="1G", batch=1).res is not None


def test_grids_in_other_processes_find_targets_again(folder):
    (folder / "nets.py").write_text("from torch import nn\ndef make(width): return nn.Linear(3, width, bias=False)\n")
    found = sweep("nets.py:make", args={"width": 5}, inputs=("batch", 3), batch=[1, 2], jobs=2)
    assert [cell.values["macs"] for cell in found] == [15, 30]
    (folder / "nets.py").unlink()
    with pytest.raises(TargetError, match=r"There is no file nets\.py"):
        sweep("nets.py:make", args={"width": 5}, inputs=("batch", 3), batch=[1, 2], jobs=2)
