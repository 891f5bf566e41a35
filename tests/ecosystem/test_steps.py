"""Training steps as the packages run them, beside the same steps really run: FLOPs, and memory to the byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from counting.live_bytes import LiveBytes, as_written
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from pytest_modelbudget import Cost, measure, tensor

pytestmark = pytest.mark.filterwarnings("ignore")


def really_run(model: nn.Module, step: Callable[[], Any], held: Iterable[Any]) -> tuple[int, int]:
    """The FLOPs of a step, two for a multiply-add, and the peak of the second of two."""
    tensors = [value for value in held if isinstance(value, torch.Tensor)]
    model.train()
    with as_written(), FlopCounterMode(display=False) as counter:
        step()
    model.zero_grad()
    with as_written(), LiveBytes(*model.parameters(), *model.buffers(), *tensors) as live:
        step()
        live.peak = live.live
        step()
    return counter.get_total_flops(), live.peak


def counted(build: Any, **arguments: Any) -> Cost:
    return measure(build, mode="train", convention="torch", attention="math", **arguments)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_lightning_automatic(accumulate):
    lightning = pytest.importorskip("lightning")

    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 10))

        def forward(self, x: Any) -> Any:
            return self.net(x)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            x, y = batch
            loss = cross_entropy(self(x), y)
            self.log("loss", loss, prog_bar=True)
            return loss

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters())
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler}}

    model, batch = Classifier(), (torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64))
    optimizer = model.configure_optimizers()["optimizer"]

    def step() -> None:
        model.zero_grad()
        for number in range(accumulate):
            model.training_step(batch, number).backward()
        optimizer.step()

    inputs = (("batch", 3, 8, 8), tensor("batch", dtype="int64", high=10))
    cost = counted(Classifier, inputs=inputs, batch=4, step="training_step", accumulate=accumulate)
    assert cost.executed == "meta"
    assert (cost.flops, cost.memory) == really_run(model, step, batch)


def test_lightning_manual():
    lightning = pytest.importorskip("lightning")

    class Adversaries(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.maker, self.judge = nn.Linear(16, 64), nn.Linear(64, 1)

        def training_step(self, batch: Any, batch_idx: int) -> None:
            for_maker, for_judge = self.optimizers()
            with self.toggled_optimizer(for_maker):
                for_maker.zero_grad()
                self.manual_backward(-self.judge(self.maker(batch)).mean())
                for_maker.step()
            for_judge.zero_grad()
            self.manual_backward(self.judge(self.maker(batch).detach()).mean())
            self.clip_gradients(for_judge, 0.5)
            for_judge.step()
            self.log_dict({"step": 1.0})

        def configure_optimizers(self) -> Any:
            return [torch.optim.Adam(self.maker.parameters()), torch.optim.Adam(self.judge.parameters())], []

    model, x = Adversaries(), torch.zeros(8, 16)
    (for_maker, for_judge), _ = model.configure_optimizers()

    def step() -> None:
        model.judge.requires_grad_(False)
        for_maker.zero_grad()
        (-model.judge(model.maker(x)).mean()).backward()
        for_maker.step()
        model.judge.requires_grad_(True)
        for_judge.zero_grad()
        model.judge(model.maker(x).detach()).mean().backward()
        nn.utils.clip_grad_norm_(model.judge.parameters(), 0.5)
        for_judge.step()

    cost = counted(Adversaries, inputs=(x,), step="training_step")
    assert cost.executed == "meta"
    assert (cost.flops, cost.memory) == really_run(model, step, [x])


def test_transformers_labels_and_trainer(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(**sizes, vocab_size=100, attn_implementation="eager")
    model = transformers.BertForSequenceClassification(config)
    batch = {"input_ids": torch.ones(4, 16, dtype=torch.int64), "labels": torch.zeros(4, dtype=torch.int64)}
    optimizer = torch.optim.SGD(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()

    inputs = {"input_ids": tensor("batch", "seq", dtype="int64"), "labels": tensor("batch", dtype="int64")}
    at = {"inputs": inputs, "batch": 4, "seq": 16, "optimizer": "sgd"}
    real = really_run(model, step, batch.values())
    labels = counted(model, **at)
    assert labels.executed == "meta"
    assert (labels.flops, labels.memory) == real
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    trainer = transformers.Trainer(model=model, args=arguments)
    assert counted(model, step=trainer.compute_loss, **at).flops == real[0]


def test_diffusers_noise_and_encoding():
    diffusers = pytest.importorskip("diffusers")

    def unet() -> Any:
        return diffusers.UNet2DModel(
            sample_size=16, block_out_channels=(32, 32), layers_per_block=1, norm_num_groups=8,
            down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
        )  # fmt: skip

    def denoise(model: Any, x: Any) -> Any:
        noise = torch.randn_like(x)
        times = torch.randint(0, 1000, (len(x),), device=x.device)
        return mse_loss(model(x + noise, times).sample, noise)

    model, x = unet(), torch.zeros(2, 3, 16, 16)
    optimizer = torch.optim.SGD(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        for _ in range(2):
            denoise(model, x).backward()
        optimizer.step()

    cost = counted(unet, batch=2, res=16, optimizer="sgd", step=denoise, accumulate=2)
    assert cost.executed == "meta"
    assert (cost.flops, cost.memory) == really_run(model, step, [x])

    coder = diffusers.AutoencoderKL(block_out_channels=(32,), norm_num_groups=8)
    with as_written(), FlopCounterMode(display=False) as counter, torch.no_grad():
        coder.encode(torch.zeros(1, 3, 32, 32))
    assert measure(coder, batch=1, res=32, method="encode", convention="torch").flops == counter.get_total_flops()


def test_ultralytics_losses():
    tasks = pytest.importorskip("ultralytics.nn.tasks")
    model = tasks.ClassificationModel("yolov8n-cls.yaml", ch=3, nc=10, verbose=False)
    batch = {"img": torch.zeros(2, 3, 64, 64), "cls": torch.zeros(2, dtype=torch.int64)}
    optimizer = torch.optim.SGD(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        model.loss(batch)[0].backward()
        optimizer.step()

    cost = counted(model, inputs=batch, batch=2, optimizer="sgd", step="loss")
    assert cost.executed == "meta"
    assert (cost.flops, cost.memory) == really_run(model, step, batch.values())


def test_graphs():
    geometric = pytest.importorskip("torch_geometric")

    class Graphs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = geometric.nn.GCNConv(16, 8), geometric.nn.GCNConv(8, 3)

        def forward(self, data: Any) -> Any:
            return self.second(self.first(data.x, data.edge_index).relu(), data.edge_index)

    def loss(model: nn.Module, data: Any) -> Any:
        return cross_entropy(model(data), data.y)

    data = geometric.data.Data(
        x=torch.zeros(20, 16), edge_index=torch.arange(40).reshape(2, 20) % 20, y=torch.zeros(20, dtype=torch.int64)
    )
    model = Graphs()
    optimizer = torch.optim.SGD(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        for _ in range(2):
            loss(model, data).backward()
        optimizer.step()

    cost = counted(Graphs, inputs=data, optimizer="sgd", step=loss, accumulate=2)
    assert cost.executed == "meta"
    assert (cost.flops, cost.memory) == really_run(model, step, tree_leaves(dict(data.to_dict())))
