"""Models whose memory is compared with a real run: published ones, and small ones that do what is hard to follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import transformers
from torch import nn
from torch.utils.checkpoint import checkpoint
from torchvision import models


class Sample(NamedTuple):
    """A model and the shapes it is given; ``tokens`` says that they are shapes of token ids."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    tokens: bool = False

    def inputs(self) -> torch.Tensor:
        """Real inputs."""
        if self.tokens:
            return torch.zeros(self.shape, dtype=torch.int64)
        return torch.randn(self.shape)


def image(name: str, side: int = 64, batch: int = 2, **options: Any) -> Sample:
    return Sample(lambda: models.get_model(name, **options), (batch, 3, side, side))


class UNet(nn.Module):
    """Two levels, skip connections, transposed convolutions."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = self._double(3, width)
        self.second = self._double(width, 2 * width)
        self.bottom = self._double(2 * width, 4 * width)
        self.up = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.third = self._double(4 * width, 2 * width)
        self.up_again = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.last = self._double(2 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    @staticmethod
    def _double(before: int, after: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x)
        second = self.second(F.max_pool2d(first, 2))
        bottom = self.bottom(F.max_pool2d(second, 2))
        third = self.third(torch.cat([self.up(bottom), second], 1))
        return self.head(self.last(torch.cat([self.up_again(third), first], 1)))


class Recurrent(nn.Module):
    """A layer of ``nn.LSTM`` or its like, and a head on its last step."""

    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.layer = kind(12, 16, batch_first=True, **options)
        self.head = nn.Linear((2 if self.layer.bidirectional else 1) * (self.layer.proj_size or 16), 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Wide(nn.Module):
    """An input more than twice as wide as the state, and no bias: most is alive while the input is multiplied."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.layer = kind(13, 6, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.transpose(0, 1))[0]


class Checkpointed(nn.Module):
    """Blocks that are run again in backward."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32), nn.Dropout(0.1)) for _ in range(4)
        )
        self.reentrant = reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=self.reentrant)
        return x


class Shared(nn.Module):
    """One layer under two names, and weights tied between an embedding and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.layer = nn.Linear(16, 16)
        self.again = self.layer
        self.head = nn.Linear(16, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.again(self.layer(self.embed(ids)).relu()).relu())


class InPlace(nn.Module):
    """Writes into what it has, and into a part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        y.add_(1).mul_(2).relu_()
        z = torch.zeros_like(y)
        z[:, :8] = y[:, 8:]
        z[:, 8:].copy_(x[:, :8])
        return self.norm(z).clamp_(min=0)


class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x * grad


class OwnFunction(nn.Module):
    """A function with a backward of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(16, 24), nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(Squared.apply(self.layer(x)))


class Frozen(nn.Sequential):
    """A backbone that is not trained, under a head that is."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
        )
        self[0].requires_grad_(False)
        self[1].requires_grad_(False)


class Several(nn.Module):
    """Gives more than one tensor, nested, and one that is no number to minimise."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        y = self.layer(x)
        return {"out": y, "more": [y.relu(), (y * 2).sum(0)], "index": y.argmax(1)}


def gpt2() -> nn.Module:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=32, use_cache=False)
    )


def bert() -> nn.Module:
    return transformers.BertModel(
        transformers.BertConfig(
            vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
        )
    )


def llama() -> nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=64, use_cache=False,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


SAMPLES = {
    "resnet18": image("resnet18"),
    "resnet50": image("resnet50"),
    "mobilenet_v2": image("mobilenet_v2"),
    "mobilenet_v3_small": image("mobilenet_v3_small"),
    "efficientnet_b0": image("efficientnet_b0"),
    "densenet121": image("densenet121"),
    "squeezenet1_1": image("squeezenet1_1"),
    "shufflenet_v2_x0_5": image("shufflenet_v2_x0_5"),
    "vgg11_bn": image("vgg11_bn", side=32),
    "convnext_tiny": image("convnext_tiny"),
    "regnet_y_400mf": image("regnet_y_400mf"),
    "vit_b_32": image("vit_b_32", side=224, batch=1),
    "swin_t": image("swin_t", side=64),
    "unet": Sample(UNet, (2, 3, 24, 32)),
    "gpt2": Sample(gpt2, (2, 16), tokens=True),
    "bert": Sample(bert, (2, 16), tokens=True),
    "llama": Sample(llama, (2, 16), tokens=True),
    "lstm": Sample(lambda: Recurrent(nn.LSTM, num_layers=2, dropout=0.1), (3, 7, 12)),
    "lstm, both ways, projected": Sample(lambda: Recurrent(nn.LSTM, bidirectional=True, proj_size=8), (3, 7, 12)),
    "lstm, long": Sample(lambda: Recurrent(nn.LSTM, num_layers=2), (3, 150, 12)),
    "lstm, long and wide": Sample(lambda: Wide(nn.LSTM), (2, 90, 13)),
    "gru": Sample(lambda: Recurrent(nn.GRU, bidirectional=True, bias=False), (3, 7, 12)),
    "gru, long": Sample(lambda: Recurrent(nn.GRU, bidirectional=True), (3, 150, 12)),
    "rnn": Sample(lambda: Recurrent(nn.RNN, nonlinearity="relu"), (3, 7, 12)),
    "checkpointed": Sample(lambda: Checkpointed(reentrant=False), (8, 16)),
    "checkpointed, reentrant": Sample(lambda: Checkpointed(reentrant=True), (8, 16)),
    "shared": Sample(Shared, (4, 6), tokens=True),
    "in place": Sample(InPlace, (6, 16)),
    "own function": Sample(OwnFunction, (6, 16)),
    "frozen": Sample(Frozen, (4, 3, 12, 12)),
    "encoder layer": Sample(lambda: nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), (2, 9, 16)),
    "several outputs": Sample(Several, (5, 8)),
}
