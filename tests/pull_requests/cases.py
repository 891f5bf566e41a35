"""Pull requests on real architectures: what each edits, and what its reviewer must see first."""

from __future__ import annotations

from dataclasses import dataclass

Edit = tuple[str, str, str]
"""A file of ``networks``, a text that is in it once, and what stands there instead."""


@dataclass(frozen=True)
class Pull:
    """A pull request on ``model``: the arguments of its budget ``before`` and ``after``, and the edits.

    ``module`` is that of the first row, ``line`` a text that is in its line of the new code. ``said`` is in the
    sentence that says what changed. ``metric`` is the one that leads.
    """

    model: str
    before: str
    after: str
    edits: tuple[Edit, ...]
    module: str
    line: str
    said: str
    metric: str = "flops"


IMAGE = "batch=1, res=224"
TOKENS = "batch=4, seq=1024"
TRAIN = "batch=4, seq=1024, mode='train', attention='fused'"
SMALL, DEEP = "GPT(layers=12)", "GPT(layers=24, width=1024, heads=16)"

PULLS = {
    "widen the MLP of a ViT of 24 layers": Pull(
        "vit:ViT(depth=24)", IMAGE, IMAGE,
        (("vit.py", "nn.Linear(width, hidden),", "nn.Linear(width, hidden * 5 // 4),"),
         ("vit.py", "nn.Linear(hidden, width),", "nn.Linear(hidden * 5 // 4, width),")),
        "transformer.layers.*.1.net.1", "nn.Linear(width, hidden * 5 // 4),",
        "Linear(384, 1536) -> Linear(384, 1920), 24 times",
    ),
    "insert a layer into a Sequential of a ViT of 12 layers": Pull(
        "vit:ViT()", IMAGE, IMAGE,
        (("vit.py", "            nn.Linear(hidden, width),",
          "            nn.Linear(hidden, hidden),\n            nn.GELU(),\n            nn.Linear(hidden, width),"),),
        "transformer.layers.*.1.net.4", "nn.Linear(hidden, hidden)", "added: Linear(1536, 1536), 12 times",
    ),
    "add a bias to the projections of a ViT of 24 layers": Pull(
        "vit:ViT(depth=24)", IMAGE, IMAGE,
        (("vit.py", "width * 3, bias=False)", "width * 3, bias=True)"),),
        "transformer.layers.*.0.to_qkv", "width * 3, bias=True)", "bias=False) -> Linear(384, 1152, bias=True)",
        "params",
    ),
    "smaller patches of a ViT of 12 layers": Pull(
        "vit:ViT()", IMAGE, IMAGE,
        (("vit.py", "res=224, patch=16", "res=224, patch=14"),),
        "patches", "self.patches = nn.Conv2d(3, width, kernel_size=patch, stride=patch)",
        "Conv2d(3, 384, 16, stride=16) -> Conv2d(3, 384, 14, stride=14)",
    ),
    "attention by hand in a GPT of 24 layers": Pull(
        f"gpt:{DEEP}", TRAIN, TRAIN,
        (("gpt.py", "self.flash = True", "self.flash = False"),),
        "transformer.h.*.attn", "scores = (q @ k.transpose(-2, -1))",
        "attention by hand: 2 bmm and softmax instead of scaled_dot_product_attention, 24 times", "memory",
    ),
    "dropout in a GPT of 12 layers": Pull(
        f"gpt:{SMALL}", TRAIN, TRAIN,
        (("gpt.py", "self.resid_dropout = nn.Dropout(dropout)", "self.resid_dropout = nn.Dropout(0.1)"),),
        "transformer.h.*.attn.resid_dropout", "nn.Dropout(0.1)", "Dropout(p=0.0) -> Dropout(p=0.1), dropout is on",
        "memory",
    ),
    "checkpointing off in a GPT of 12 layers": Pull(
        "gpt:GPT(checkpoints=True)", TRAIN, TRAIN,
        (("gpt.py", "checkpoint(block, x, use_reentrant=False) if self.checkpoints else block(x)", "block(x)"),),
        "transformer.h.*", "x = block(x)", "checkpointing is off: backward no longer recomputes it, 12 times", "memory",
    ),
    "weights of a GPT of 24 layers not shared": Pull(
        f"gpt:{DEEP}", TOKENS, TOKENS,
        (("gpt.py", "        self.transformer.wte.weight = self.lm_head.weight\n", ""),),
        "lm_head", "self.lm_head = nn.Linear(", "no longer shares weights with transformer.wte", "params",
    ),
    "rename and widen the MLP of a GPT of 12 layers": Pull(
        f"gpt:{SMALL}", TOKENS, TOKENS,
        (("gpt.py", "class MLP(", "class FeedForward("),
         ("gpt.py", "self.mlp = MLP(width, dropout)", "self.ffn = FeedForward(width, dropout)"),
         ("gpt.py", "self.mlp(self", "self.ffn(self"),
         ("gpt.py", "nn.Linear(width, 4 * width", "nn.Linear(width, 6 * width"),
         ("gpt.py", "nn.Linear(4 * width", "nn.Linear(6 * width")),
        "transformer.h.*.ffn", "self.ffn = FeedForward(width, dropout)",
        "transformer.h.*.ffn (was mlp) renamed and changed: MLP -> FeedForward, c_fc: Linear(768, 3072) -> ",
    ),
    "one bmm more in the attention of a GPT of 12 layers": Pull(
        f"gpt:{SMALL}", TOKENS, TOKENS,
        (("gpt.py", "        y = y.transpose(1, 2)",
          "        y = torch.matmul(y, y.transpose(-2, -1) @ y)\n        y = y.transpose(1, 2)"),),
        "transformer.h.*.attn", "y = torch.matmul(y, y.transpose(-2, -1) @ y)", "calls 2 matmul more",
    ),
    "batch norm becomes group norm in a U-Net": Pull(
        "unet:UNet()", IMAGE, IMAGE,
        (("unet.py",
          "        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),\n        nn.BatchNorm2d(after),",
          "        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),\n        nn.GroupNorm(8, after),"),),
        "inc.1", "nn.GroupNorm(8, after)", "BatchNorm2d(64) -> GroupNorm(8, 64)",
    ),
    "ReLU no longer in place in a ResNet": Pull(
        "resnet:ResNet()", "batch=16, res=224", "batch=16, res=224",
        (("resnet.py", "        self.relu = nn.ReLU(inplace=True)\n        self.downsample",
          "        self.relu = nn.ReLU()\n        self.downsample"),),
        "layer1.0.relu", "self.relu = nn.ReLU()", "no longer in place", "memory",
    ),
    "a dilated last stage in a DETR": Pull(
        "detr:DETR()", "batch=1, res=(480, 640)", "batch=1, res=(480, 640)",
        (("resnet.py", "self.layer4 = self._stage(512, blocks[3], stride=2)",
          "self.layer4 = self._stage(512, blocks[3], dilation=2)"),),
        "backbone.0.body.layer4.0.conv2", "self.conv2 = nn.Conv2d(width, width, 3, stride=stride",
        "Conv2d(512, 512, 3, stride=2) -> Conv2d(512, 512, 3, stride=1)",
    ),
    "no pooling any more in a ResNet": Pull(
        "resnet:ResNet()", IMAGE, IMAGE,
        (("resnet.py", "x = self.maxpool(self.relu(self.bn1(self.conv1(image))))",
          "x = self.relu(self.bn1(self.conv1(image)))"),),
        "maxpool", "self.maxpool = nn.MaxPool2d(", "called never, was once",
    ),
    "deeper third stage of a ResNet": Pull(
        "resnet:ResNet()", IMAGE, IMAGE,
        (("resnet.py", "blocks=(3, 4, 6, 3)", "blocks=(3, 4, 23, 3)"),),
        "layer3.6-22", "layers.append(Bottleneck(self.before, width, dilation=dilation))",
        "added: Bottleneck, 17 times",
    ),
    "a second head on a DETR": Pull(
        "detr:DETR()", "batch=1, res=(480, 640)", "batch=1, res=(480, 640)",
        (("detr.py", "        self.bbox_embed =",
          "        self.mask_embed = nn.Sequential(\n            nn.Linear(width, 4 * width),\n            nn.ReLU(),\n"
          "            nn.Linear(4 * width, width),\n        )\n        self.bbox_embed ="),
         ("detr.py", "return self.class_embed(found), ", "return self.class_embed(found), self.mask_embed(found), ")),
        "mask_embed", "self.mask_embed = nn.Sequential(", "mask_embed added: Sequential", "params",
    ),
    "a head renamed and one class more in a ConvNeXt": Pull(
        "convnext:ConvNeXt()", IMAGE, IMAGE,
        (("convnext.py", "self.head = nn.Linear(widths[-1], classes)",
          "self.classifier = nn.Linear(widths[-1], classes)"),
         ("convnext.py", "return self.head(", "return self.classifier("),
         ("convnext.py", "classes=1000", "classes=1001")),
        "classifier", "self.classifier = nn.Linear(", "classifier (was head) renamed and changed", "params",
    ),
    "wider kernels, a larger batch and resolution together in a ConvNeXt": Pull(
        "convnext:ConvNeXt()", IMAGE, "batch=4, res=320",
        (("convnext.py", "kernel_size=7, padding=3, groups=width", "kernel_size=11, padding=5, groups=width"),),
        "stages.*.*.dwconv", "self.dwconv = nn.Conv2d(",
        "Conv2d(96, 96, 7, padding=3, groups=96) -> Conv2d(96, 96, 11, padding=5, groups=96), 18 times",
    ),
}  # fmt: skip
