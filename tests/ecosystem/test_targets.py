"""Models of diffusers, ultralytics and Lightning by TARGET, as their packages build them."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from pytest_modelbudget import TargetError, UsageError, measure
from pytest_modelbudget.cli.command import main

pytestmark = pytest.mark.filterwarnings("ignore")

BLOCKS = {"block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8}
CROSS = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24, "attention_head_dim": 4, **BLOCKS,
}  # fmt: skip


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_diffusers_by_configuration(diffusers, folder):
    """As its class builds it, with what its forward must be given; the text has CLIP's 77 tokens."""
    model = diffusers.UNet2DConditionModel(16, **CROSS)
    model.save_config("unet")
    cost = measure("diffusers:unet", batch=2)
    assert cost.params == sum(p.numel() for p in model.parameters())
    assert str(cost.point) == "batch 2, res 16, seq 77, infer"
    given = {
        "sample": torch.zeros(2, 4, 16, 16), "timestep": torch.zeros(2, dtype=torch.int64),
        "encoder_hidden_states": torch.zeros(2, 77, 24),
    }  # fmt: skip
    assert cost.macs == measure(model, inputs=given).macs
    assert measure("diffusers:unet", res=32, seq=7).inputs.startswith("sample=float32 (1, 4, 32, 32)")
    larger = measure("diffusers:unet", args={"in_channels": 9})
    assert "sample=float32 (1, 9, 16, 16)" in larger.inputs


def test_diffusers_by_class(diffusers):
    plain = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, **BLOCKS}
    cost = measure("diffusers:UNet2DModel", args=plain, res=32)
    assert cost.params == sum(p.numel() for p in diffusers.UNet2DModel(**plain).parameters())
    vae = measure("diffusers:AutoencoderKL", res=32, method="encode")
    assert (vae.inputs, vae.executed) == ("float32 (1, 3, 32, 32)", "meta")


def test_components_of_a_pipeline(diffusers, folder):
    (folder / "pipe").mkdir()
    (folder / "pipe" / "model_index.json").write_text("{}")
    diffusers.DiTTransformer2DModel(2, 12, num_layers=2, sample_size=8, num_embeds_ada_norm=10).save_config("pipe/dit")
    with pytest.raises(
        UsageError, match=r"diffusers:pipe is a pipeline. Name one of its components: diffusers:pipe/dit"
    ):
        measure("diffusers:pipe")
    cost = measure("diffusers:pipe/dit")
    assert cost.inputs == "hidden_states=float32 (1, 4, 8, 8), timestep=int64 (1,), class_labels=int64 (1,)"


@pytest.mark.parametrize(
    ("target", "args", "error", "message"),
    [
        ("UNet2DMdel", {}, TargetError, "diffusers has no class 'UNet2DMdel', and there is no folder of that name."),
        ("UNet2DMdel", {}, TargetError, "Did you mean 'UNet2DModel'? Allowed: a class of diffusers, a folder"),
        ("DDPMScheduler", {}, TargetError, "DDPMScheduler is none of its model classes."),
        ("UNet2DModel", {"sample_sise": 3}, UsageError, "no argument 'sample_sise'. Did you mean 'sample_size'?"),
        ("UNet2DModel", {"in_channels": "3"}, UsageError, "in_channels='3' is not what diffusers:UNet2DModel takes."),
        ("nobody/nothing/unet", {}, TargetError, "diffusers:nobody/nothing/unet has no configuration that loads: "),
    ],
)
def test_what_diffusers_does_not_have(diffusers, folder, target, args, error, message):
    with pytest.raises(error) as raised:
        measure(f"diffusers:{target}", args=args, res=32)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "kind", "res"),
    [
        ("yolo11n.yaml", "DetectionModel", 640),
        ("yolov8n-seg", "SegmentationModel", 640),
        ("yolo11n-cls.yaml", "ClassificationModel", 224),
        ("rtdetr-l.yaml", "RTDETRDetectionModel", 640),
    ],
)
def test_ultralytics_by_its_yaml(name, kind, res):
    tasks = pytest.importorskip("ultralytics.nn.tasks")
    cost = measure(f"ultralytics:{name}")
    assert (cost.model, cost.point.res) == (kind, (res, res))
    built = getattr(tasks, kind)(f"{name.removesuffix('.yaml')}.yaml", verbose=False)
    assert cost.params == sum(p.numel() for p in built.parameters())


def test_ultralytics_with_classes_and_files_of_ones_own(folder, capsys):
    """Each class more is an output more of three convolutions of 100 channels, with their biases."""
    ultralytics = pytest.importorskip("ultralytics")
    more, fewer = (measure("ultralytics:yolo11n", res=64, args={"nc": classes}) for classes in (110, 100))
    assert more.params - fewer.params == 10 * 3 * (100 + 1)
    source = next((folder.__class__(ultralytics.__file__).parent / "cfg/models").rglob("yolo11.yaml")).read_text()
    (folder / "mine.yaml").write_text(source.replace("nc: 80", "nc: 100"))
    assert main(["count", "ultralytics:mine.yaml", "--res", "64", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["params"] == fewer.params  # and nothing else is printed


@pytest.mark.parametrize("name", ["yolo11q", "yolo11n.pt", "nothing.yaml", "https://host.invalid/yolo11n.yaml"])
def test_what_ultralytics_does_not_ship(folder, name):
    pytest.importorskip("ultralytics")
    with pytest.raises(TargetError, match="is neither a YAML file nor one that ultralytics ships"):
        measure(f"ultralytics:{name}")


LIGHTNING = """
import torch
from lightning import LightningModule
from torch import nn


class Net(LightningModule):
    def __init__(self, width: int, depth: int = 1):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(depth)))
        self.example_input_array = torch.zeros(3, width)

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return ((self(x) - y) ** 2).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters())


def rows(batch):
    return [(torch.zeros(batch, 8), torch.zeros(batch, 8))]
"""


def test_lightning_modules_whose_constructors_need_arguments(folder, capsys):
    """Its own example has three rows; backward is once for each layer's weights, and for the second one's input."""
    pytest.importorskip("lightning")
    (folder / "nets.py").write_text(LIGHTNING)
    assert main(["count", "nets.py:Net", "--arg", "width=8", "--arg", "depth=2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["macs"] == 3 * 2 * 64
    rows = sys.modules["nets"].rows
    step = measure(
        "nets.py:Net", args={"width": 8, "depth": 2}, mode="train", step="training_step", loader=rows, batch=5
    )
    assert step.macs == 5 * 64 * (2 + 2 + 1)
