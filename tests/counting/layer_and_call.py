"""A model that gives its layer and its arguments to a function, which a test writes."""

from __future__ import annotations

from torch import nn


class Net(nn.Module):
    """A layer of 8 x 8, and the function that is its forward."""

    def __init__(self, call):
        super().__init__()
        self.layer = nn.Linear(8, 8, bias=False)
        self.call = call

    def forward(self, *arguments, **keywords):
        return self.call(self.layer, *arguments, **keywords)
