"""Multiply-adds of architectures, worked out by hand from their sizes.

``S`` tokens, unless a function is given another number; ``h`` is the width of the model, ``f`` that of its
feed-forward, ``v`` the words of its vocabulary. Norms, activations, softmax and embeddings multiply nothing.
"""

from __future__ import annotations

S = 128


def attend(queries, keys, width):
    """Every query with every key, then every weight with every value, over all heads together."""
    return 2 * queries * keys * width


def layer(h, f, tokens=S):
    """Query, key, value and output projections, attention, and a feed-forward of two."""
    return tokens * (4 * h * h + 2 * h * f) + attend(tokens, tokens, h)


def grouped(h, f, queries, keys, experts=1, router=0):
    """Query heads as wide as ``queries`` together, key and value heads as ``keys``, a gated feed-forward of three."""
    token = 2 * h * queries + 2 * h * keys + experts * 3 * h * f + h * router
    return S * token + attend(S, S, queries)


def cross_layer(h, f, tokens=S, keys=S):
    """A decoder's layer: self-attention, then attention to ``keys`` encoded tokens, and the feed-forward."""
    cross = tokens * 2 * h * h + keys * 2 * h * h + attend(tokens, keys, h)
    return layer(h, f, tokens) + cross


def head(h, v, tokens=S):
    return tokens * h * v


def deberta(h, f, positions):
    """Content with content as everywhere; content with position and position with content from a table of both ends."""
    return layer(h, f) + 2 * positions * h * h + 2 * S * positions * h


def xlnet(h, f):
    """Relative positions run from -S to S: they are projected, and every query meets each of them."""
    return layer(h, f) + 2 * S * h * h + S * 2 * S * h


def vit(h, f, layers, side, patch):
    """Patches and a class token."""
    patches = (side // patch) ** 2
    return patches * 3 * patch * patch * h + layers * layer(h, f, patches + 1)


def swin(h, depths, side, window):
    """Four stages; between two, four neighbours of width C become one of 2C."""
    pixels, macs = (side // 4) ** 2, (side // 4) ** 2 * 3 * 4 * 4 * h
    for stage, depth in enumerate(depths):
        c = h * 2**stage
        macs += depth * (pixels * 12 * c * c + attend(pixels, window**2, c))
        if stage < 3:
            pixels //= 4
            macs += pixels * 4 * c * 2 * c
    return macs + h * 8 * 1000


def convnext(widths, depths, side):
    """A 7x7 convolution for each channel and a feed-forward of four times the width; 4x4, then 2x2 steps down."""
    macs, pixels, before = 0, side**2, 3
    for stage, (c, depth) in enumerate(zip(widths, depths, strict=True)):
        step = 4 if stage == 0 else 2
        pixels //= step**2
        macs += pixels * step**2 * before * c + depth * pixels * (49 * c + 2 * c * 4 * c)
        before = c
    return macs + before * 1000


def segformer(widths, depths, reductions, side, decoder, classes):
    """Keys and values come from a map reduced by a convolution; the feed-forward has a 3x3 one for each channel."""
    macs, before, pixels = 0, 3, side**2
    for stage, (c, depth, r) in enumerate(zip(widths, depths, reductions, strict=True)):
        patch, step = (7, 4) if stage == 0 else (3, 2)
        pixels //= step**2
        fewer = pixels // r**2
        reduce = fewer * r * r * c * c if r > 1 else 0
        attention = pixels * 2 * c * c + fewer * 2 * c * c + reduce + attend(pixels, fewer, c)
        macs += pixels * patch**2 * before * c
        macs += depth * (attention + pixels * (2 * c * 4 * c + 9 * 4 * c))
        macs += pixels * c * decoder  # the decoder's own projection of this stage
        before = c
    return macs + (side // 4) ** 2 * (4 * decoder * decoder + decoder * classes)


def resnet50(height, width):
    """A ResNet-50 without its classifier, the stride of a stage in its first 3x3 convolution."""
    macs, h, w = (height // 2) * (width // 2) * 49 * 3 * 64, height // 4, width // 4
    before = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        c = 64 * 2**stage
        for block in range(depth):
            first = h * w * before * c  # at the resolution of the stage before
            if block == 0 and stage:
                h, w = h // 2, w // 2
            macs += first + h * w * (9 * c * c + 4 * c * c)
            macs += h * w * before * 4 * c if block == 0 else 0
            before = 4 * c
    return macs


def detr(height, width, queries=100, h=256, f=2048, classes=92):
    """A ResNet-50, its last map projected, six layers on its pixels, six of queries; boxes by a perceptron of three."""
    pixels = (height // 32) * (width // 32)
    decoder = 6 * cross_layer(h, f, queries, pixels)
    heads = queries * (h * classes + 2 * h * h + 4 * h)
    return resnet50(height, width) + pixels * 2048 * h + 6 * layer(h, f, pixels) + decoder + heads


def mamba(h, layers, state=16, kernel=4):
    """Per layer: in (twice the inner width), a causal convolution, step sizes and the state's B and C, out."""
    inner, rank = 2 * h, h // 16
    token = h * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * h
    convolution = (S + kernel - 1) * inner * kernel  # padded at both ends, cut after
    read = S * inner * state  # the state times C, for each token
    return layers * (S * token + convolution + read)


def wav2vec2(samples, h=768, f=3072, layers=12):
    """Seven convolutions over sound, a projection, a grouped convolution for positions, and an encoder."""
    macs, length, before = 0, samples, 1
    for kernel, stride in [(10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2]:
        length = (length - kernel) // stride + 1
        macs += length * kernel * before * 512
        before = 512
    positions = (length + 1) * 128 * h * (h // 16)  # padded by 64 at both ends: one more than there are tokens
    return macs + length * 512 * h + positions + layers * layer(h, f, length)


def whisper(h, f, layers, frames, tokens, vocabulary):
    """Two convolutions of three over sound, the second halving it; the decoder attends to all that is left."""
    heard = frames // 2
    stem = frames * 3 * 80 * h + heard * 3 * h * h
    return stem + layers * (layer(h, f, heard) + cross_layer(h, f, tokens, heard)) + head(h, vocabulary, tokens)


def clip():
    """A picture in 32x32 patches, 77 tokens of text, both projected to 512, and one product between them."""
    text = 12 * layer(512, 2048, 77)
    return vit(768, 3072, 12, 224, 32) + text + 768 * 512 + 512 * 512 + 512
