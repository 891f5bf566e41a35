"""A detector of a ResNet and a transformer that decodes queries."""

from resnet import ResNet
from torch import nn


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = ResNet()

    def forward(self, image):
        return self.body.features(image)


class DETR(nn.Module):
    def __init__(self, classes=91, width=256, heads=8, queries=100):
        super().__init__()
        self.backbone = nn.Sequential(
            Backbone(),
        )
        self.input_proj = nn.Conv2d(2048, width, kernel_size=1)
        self.transformer = nn.Transformer(width, heads, num_encoder_layers=6, num_decoder_layers=6, batch_first=True)
        self.query_embed = nn.Embedding(queries, width)
        self.class_embed = nn.Linear(width, classes + 1)
        self.bbox_embed = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 4),
        )

    def forward(self, image):
        tokens = self.input_proj(self.backbone(image)).flatten(2).transpose(1, 2)
        queries = self.query_embed.weight.expand(image.shape[0], -1, -1)
        found = self.transformer(tokens, queries)
        return self.class_embed(found), self.bbox_embed(found).sigmoid()
