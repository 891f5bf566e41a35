"""Predicted peak memory beside the measured one, as a Markdown table: how far off it is on the device at hand.

    python benchmarks/validate_memory.py --out docs/memory-validation.md
    python benchmarks/validate_memory.py --quick
    python benchmarks/validate_memory.py --models resnet50 gpt2 --batches 1 64 --precisions amp --steps adamw

On CUDA the measured peak is `torch.cuda.max_memory_allocated`, and predictions follow ``device="cuda"``. Without it
everything runs on the CPU, beside the live bytes of the storages that the same step makes there. Needs torchvision and
transformers.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import torchvision_ops

torchvision_ops.install()  # with builds of torch and torchvision that belong together, delete these lines

import torch  # noqa: E402
import torchvision  # noqa: E402
import transformers  # noqa: E402
from memory_models import UNet  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torchvision import models  # noqa: E402

from pytest_modelbudget import Cost, measure  # noqa: E402
from pytest_modelbudget.errors import ModelError  # noqa: E402
from pytest_modelbudget.values.metrics import show  # noqa: E402

STEPS = {
    "infer": {"mode": "infer"},
    "sgd": {"mode": "train", "optimizer": "sgd"},
    "adamw": {"mode": "train", "optimizer": "adamw"},
}
PRECISIONS: dict[str, dict[str, str]] = {"fp32": {}, "bf16": {"dtype": "bf16"}, "amp": {"amp": "bf16"}}


class Sample(NamedTuple):
    """A model and its operating point, full-size and quick: ``res`` in pixels, ``seq`` in tokens or time steps."""

    build: Callable[[], torch.nn.Module]
    point: dict[str, Any]
    quick: dict[str, Any]
    quick_build: Callable[[], torch.nn.Module] | None = None


class Speech(torch.nn.Module):
    """Three layers of LSTM over ``(batch, seq, 80)``, and a head at every step."""

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        self.layers = torch.nn.LSTM(80, width, num_layers=3, batch_first=True)
        self.head = torch.nn.Linear(width, 40)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(frames)[0])


def _gpt2(**sizes: int) -> torch.nn.Module:
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(use_cache=False, **sizes))


def _bert(**sizes: int) -> torch.nn.Module:
    return transformers.BertModel(transformers.BertConfig(**sizes))


def _image(name: str, quick: int = 64) -> Sample:
    return Sample(partial(models.get_model, name), {"res": 224}, {"res": quick})


_FRAMES = ("batch", "seq", 80)
SAMPLES = {
    "resnet18": _image("resnet18"),
    "resnet50": _image("resnet50"),
    "mobilenet_v3_large": _image("mobilenet_v3_large"),
    "efficientnet_b0": _image("efficientnet_b0"),
    "densenet121": _image("densenet121"),
    "convnext_tiny": _image("convnext_tiny"),
    "vgg11_bn": _image("vgg11_bn", quick=32),
    "vit_b_16": Sample(
        partial(models.get_model, "vit_b_16"),
        {"res": 224},
        {"res": 64},
        partial(models.VisionTransformer, 64, 16, 3, 4, 256, 512),
    ),
    "swin_t": _image("swin_t"),
    "unet": Sample(partial(UNet, 64), {"res": 256}, {"res": 64}, partial(UNet, 16)),
    "gpt2": Sample(
        _gpt2, {"seq": 512}, {"seq": 64}, partial(_gpt2, vocab_size=1000, n_embd=128, n_layer=3, n_head=4)
    ),
    "bert": Sample(
        _bert,
        {"seq": 512},
        {"seq": 64},
        partial(
            _bert,
            vocab_size=1000,
            hidden_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=512,
        ),
    ),
    "lstm": Sample(
        Speech, {"seq": 200, "inputs": _FRAMES}, {"seq": 40, "inputs": _FRAMES}, partial(Speech, 128)
    ),
}  # fmt: skip


class Row(NamedTuple):
    """One model, step, precision and batch: the predicted and the measured peak in bytes, or why there is none."""

    model: str
    point: str
    step: str
    precision: str
    batch: int
    predicted: int
    measured: int | None
    why: str = ""

    @property
    def error(self) -> float:
        """Predicted over measured, less one, in percent."""
        assert self.measured
        return 100 * (self.predicted / self.measured - 1)


def rows(
    names: Sequence[str],
    batches: Sequence[int],
    precisions: Sequence[str],
    steps: Sequence[str],
    attention: str,
    *,
    cuda: bool,
    quick: bool,
) -> Iterator[Row]:
    """Every model at every batch, in every precision and kind of step."""
    for name in names:
        sample = SAMPLES[name]
        build, point = (sample.quick_build or sample.build, sample.quick) if quick else (sample.build, sample.point)
        for step in steps:
            for precision in precisions:
                for batch in batches:
                    take = partial(
                        measure,
                        build,
                        batch=batch,
                        **point,
                        **STEPS[step],
                        **PRECISIONS[precision],
                        attention=attention,
                        device="cuda" if cuda else None,
                    )
                    yield _row(take, name, step, precision, batch, cuda=cuda)


def _row(take: Callable[..., Cost], name: str, step: str, precision: str, batch: int, *, cuda: bool) -> Row:
    predicted = take()
    assert predicted.memory is not None  # our own counter measures it
    size = predicted.point.res or predicted.point.seq
    found = Row(name, str(size if isinstance(size, int) else size[0]), step, precision, batch, predicted.memory, None)
    if cuda:
        torch.cuda.empty_cache()
    try:
        measured = take(measured=True).measured
    except ModelError as error:
        return found._replace(why=_reason(error))
    assert measured is not None  # it was asked for
    return found._replace(measured=measured.memory)


def _reason(error: ModelError) -> str:
    cause = error.__cause__
    if isinstance(cause, torch.OutOfMemoryError):
        return "out of memory"
    return type(cause).__name__ if cause is not None else "not run"


def markdown(found: Sequence[Row], *, cuda: bool, quick: bool, attention: str) -> str:
    """The table, with the machine it was made on, and the median and the worst error."""
    lines = [
        [
            row.model,
            row.point,
            row.step,
            row.precision,
            str(row.batch),
            show(row.predicted, "memory"),
            show(row.measured, "memory") if row.measured is not None else row.why,
            _percent(row) if row.measured is not None else "",
        ]
        for row in found
    ]
    what = "torch.cuda.max_memory_allocated" if cuda else "live bytes of storages"
    headers = ["model", "res / seq", "step", "precision", "batch", "predicted", f"measured ({what})", "error"]
    return "\n\n".join(
        [
            f"Measured on {machine(cuda)}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
            f"transformers {transformers.__version__}, eager; attention {attention!r}"
            f"{', small sizes (--quick)' if quick else ''}.",
            str(tabulate(lines, headers, tablefmt="github", disable_numparse=True)),
            summary(found),
        ]
    )


def _percent(row: Row) -> str:
    return "exactly" if row.predicted == row.measured else f"{row.error:+.2f} %"


def summary(found: Sequence[Row]) -> str:
    """How far off the predictions are over all rows that were measured."""
    errors = [abs(row.error) for row in found if row.measured is not None]
    if not errors:
        return "No row could be measured."
    worst = max((row for row in found if row.measured is not None), key=lambda row: abs(row.error))
    exact = sum(row.predicted == row.measured for row in found)
    text = (
        f"Error: median {statistics.median(errors):.2f} %, worst {abs(worst.error):.2f} % "
        f"({worst.model}, {worst.step}, {worst.precision}, batch {worst.batch}); "
        f"{exact} of {len(errors)} rows to the byte."
    )
    missing = len(found) - len(errors)
    return f"{text} {missing} more could not be run." if missing else text


def machine(cuda: bool) -> str:
    """What this runs on, in words."""
    if cuda:
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return f"a CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def main() -> None:
    """Read the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description="Predicted peak memory beside the measured one.")
    parser.add_argument("--models", nargs="+", choices=tuple(SAMPLES), default=tuple(SAMPLES), metavar="NAME")
    parser.add_argument("--batches", nargs="+", type=int, metavar="N", help="default 1 8 64, with --quick 1 4")
    parser.add_argument("--precisions", nargs="+", choices=tuple(PRECISIONS), default=tuple(PRECISIONS))
    parser.add_argument("--steps", nargs="+", choices=tuple(STEPS), default=tuple(STEPS))
    parser.add_argument("--attention", choices=("fused", "math"), help="default fused on CUDA, math on a CPU")
    parser.add_argument("--quick", action="store_true", help="small models, resolutions and sequences")
    parser.add_argument("--out", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    cuda = torch.cuda.is_available()
    attention = arguments.attention or ("fused" if cuda else "math")
    found = list(
        rows(
            arguments.models,
            arguments.batches or ((1, 4) if arguments.quick else (1, 8, 64)),
            arguments.precisions,
            arguments.steps,
            attention,
            cuda=cuda,
            quick=arguments.quick,
        )
    )
    text = markdown(found, cuda=cuda, quick=arguments.quick, attention=attention)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
