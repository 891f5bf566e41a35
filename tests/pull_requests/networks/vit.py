"""A vision transformer, its blocks in lists of lists."""

import torch
from torch import nn


class FeedForward(nn.Module):
    def __init__(self, width, hidden, dropout=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        return self.net(x)


class Attention(nn.Module):
    def __init__(self, width, heads, dropout=0.0):
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.norm = nn.LayerNorm(width)
        self.attend = nn.Softmax(dim=-1)
        self.dropout = nn.Dropout(dropout)
        self.to_qkv = nn.Linear(width, width * 3, bias=False)
        self.to_out = nn.Sequential(
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.to_qkv(self.norm(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        dots = torch.matmul(q, k.transpose(-1, -2)) * self.scale
        out = torch.matmul(self.dropout(self.attend(dots)), v)
        return self.to_out(out.transpose(1, 2).reshape(batch, tokens, width))


class Transformer(nn.Module):
    def __init__(self, width, depth, heads, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList([])
        for _ in range(depth):
            self.layers.append(
                nn.ModuleList(
                    [
                        Attention(width, heads),
                        FeedForward(width, hidden),
                    ]
                )
            )

    def forward(self, x):
        for attention, feed_forward in self.layers:
            x = attention(x) + x
            x = feed_forward(x) + x
        return self.norm(x)


class ViT(nn.Module):
    def __init__(self, res=224, patch=16, classes=1000, width=384, depth=12, heads=6, hidden=1536):
        super().__init__()
        self.patches = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        self.position = nn.Parameter(torch.zeros(1, (res // patch) ** 2 + 1, width))
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.transformer = Transformer(width, depth, heads, hidden)
        self.head = nn.Linear(width, classes)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.position
        return self.head(self.transformer(x)[:, 0])
