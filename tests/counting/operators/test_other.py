"""Everything else that computes, or does not: embeddings, transforms, linear algebra, and what is free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from four_ways import Calls, Case, calls, each, each_way, free, module, not_on_meta
from torch import nn

from pytest_modelbudget import measure

WORDS = torch.zeros(4, 6, dtype=torch.int64)


class Bag(nn.EmbeddingBag):
    """Six words in three bags."""

    def forward(self, words: Any, weights: Any = None) -> Any:
        return super().forward(words, torch.tensor([0, 2, 4], device=words.device), weights)


class Weighted(nn.EmbeddingBag):
    def forward(self, words: Any, weights: Any) -> Any:
        return super().forward(words, per_sample_weights=weights)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.words.weight

    def forward(self, words: Any) -> Any:
        return self.head(self.words(words))


# Looking up and summing is free; a sum of rows each weighted by a number of its own is a sparse product.
EMBEDDING = [
    free("Embedding", lambda: nn.Embedding(20, 8), WORDS),
    free("Embedding, padding", lambda: nn.Embedding(20, 8, padding_idx=0, scale_grad_by_freq=True), WORDS),
    free("one-hot", lambda: Calls(lambda words: F.one_hot(words, 20)), WORDS),
    *(free(f"EmbeddingBag {mode}", lambda mode=mode: nn.EmbeddingBag(20, 8, mode=mode), WORDS)
      for mode in ("sum", "mean", "max")),
    free("EmbeddingBag with offsets", lambda: Bag(20, 8), WORDS[0]),
    module("EmbeddingBag, weighted", lambda: Bag(20, 8, mode="sum"), WORDS[0], (6,), macs=6 * 8, activations=3 * 8),
    module("EmbeddingBag 2D, weighted", lambda: Weighted(20, 8, mode="sum"), WORDS, (4, 6),
           macs=4 * 6 * 8, activations=4 * 8),
    # an embedding used as the classifier: words (4, 6) of 8 features by 20 rows
    module("tied", Tied, WORDS, macs=4 * 6 * 8 * 20, activations=4 * 6 * 20),
]  # fmt: skip


def flops(name: str, function: Callable[..., Any], inputs: Any, expected: float, **expect: Any) -> Case:
    """A case quoted in floating point operations: two of them make a multiply-add, rounded up."""
    total = round(expected)
    return calls(name, function, inputs, macs=-(-total // 2), activations=0, torch_flops=total, **expect)


C16 = torch.ones(3, 16, dtype=torch.complex64)

# A complex transform of N points is 5 N log2 N operations; half of it where one side is real.
FFT = [
    flops("rfft", torch.fft.rfft, [(3, 16)], 3 * 2.5 * 16 * 4),
    flops("irfft", torch.fft.irfft, (torch.ones(3, 9, dtype=torch.complex64),), 3 * 2.5 * 16 * 4),
    flops("hfft", torch.fft.hfft, (torch.ones(3, 9, dtype=torch.complex64),), 3 * 2.5 * 16 * 4),
    flops("fft", torch.fft.fft, (C16,), 3 * 5 * 16 * 4),
    flops("ifft", torch.fft.ifft, (C16,), 3 * 5 * 16 * 4),
    # a real input is transformed as one, the other half of the result is its mirror image
    flops("fft of real", torch.fft.fft, [(3, 16)], 3 * 2.5 * 16 * 4),
    flops("fft padded", lambda x: torch.fft.fft(x, 32), (C16,), 3 * 5 * 32 * 5),
    flops("fft2", torch.fft.fft2, (torch.ones(3, 8, 16, dtype=torch.complex64),), 3 * 5 * 128 * 7),
    flops("rfft2", torch.fft.rfft2, [(3, 8, 16)], 3 * 2.5 * 128 * 7),
    flops("fftn", torch.fft.fftn, (torch.ones(2, 4, 8, dtype=torch.complex64),), 5 * 64 * 6),
    flops("not a power of two", torch.fft.rfft, [(1, 12)], 2.5 * 12 * 3.584962500721156),
    # 64 samples padded by 8 on both sides: (80 - 16) / 4 + 1 = 17 windows of 16
    flops("stft", lambda x: torch.stft(x, 16, 4, window=torch.ones(16, device=x.device), return_complex=True),
          [(2, 64)], 2 * 17 * 2.5 * 16 * 4),
    # convolution by the theorem: there and back (real) of 64 points, and a product that is element-wise
    flops("convolution theorem", lambda x, k: torch.fft.irfft(torch.fft.rfft(x, 64) * torch.fft.rfft(k, 64)),
          [(2, 33), (2, 32)], 3 * 2 * 2.5 * 64 * 6),
    # and back: 17 windows of 16, laid over each other; whether the window is zero somewhere is data
    flops("istft", lambda x: torch.istft(torch.complex(x, x), 16, 4, window=torch.ones(16, device=x.device)),
          [(9, 17)], 17 * 2.5 * 16 * 4, not_on={"meta+grad": "aten::equal"}),
    free("fftshift", lambda: Calls(torch.fft.fftshift), (3, 16)),
]  # fmt: skip

S = (2, 6, 6)
WELL = 10 * torch.eye(6).repeat(2, 1, 1) + torch.ones(6, 6)


def qr_into_tensors(matrix: torch.Tensor) -> Any:
    with torch.no_grad():
        return torch.linalg.qr(matrix, out=(matrix.new_empty(8, 6), matrix.new_empty(6, 6)))


# Two matrices of size n = 6, by the textbook (LAPACK working note 41).
N3 = 6**3
LINALG = [
    flops("cholesky", torch.linalg.cholesky, (WELL,), 2 * N3 / 3),
    flops("inv", torch.linalg.inv, (WELL,), 2 * 2 * N3),
    flops("inverse", torch.inverse, (WELL,), 2 * 2 * N3),
    flops("solve", torch.linalg.solve, (WELL, torch.ones(2, 6, 3)), 2 * (2 * N3 / 3 + 2 * 36 * 3)),
    flops("solve a vector", torch.linalg.solve, (WELL, torch.ones(2, 6)), 2 * (2 * N3 / 3 + 2 * 36)),
    flops("det", torch.linalg.det, (WELL,), 2 * 2 * N3 / 3),
    flops("slogdet", torch.linalg.slogdet, (WELL,), 2 * 2 * N3 / 3),
    flops("logdet", torch.logdet, (WELL,), 2 * 2 * N3 / 3),
    flops("lu_factor", torch.linalg.lu_factor, (WELL,), 2 * 2 * N3 / 3),
    flops("lu", torch.linalg.lu, (WELL,), 2 * 2 * N3 / 3),
    flops("solve_triangular", lambda a, b: torch.linalg.solve_triangular(a, b, upper=True),
          (WELL.triu(), torch.ones(2, 6, 3)), 2 * 36 * 3),
    flops("cholesky_solve", torch.cholesky_solve, (torch.ones(2, 6, 3), WELL.tril()), 2 * 2 * 36 * 3),
    flops("cholesky_inverse", torch.cholesky_inverse, (WELL.tril(),), 2 * 2 * N3 / 3),
    # the longer side m = 8, the shorter n = 6: 2mn² - 2n³/3 for R, as much again for the reduced Q
    flops("qr", torch.linalg.qr, [(2, 8, 6)], 2 * 2 * (2 * 8 * 36 - 2 * N3 / 3)),
    flops("qr, R only", lambda a: torch.linalg.qr(a, "r"), [(2, 8, 6)], 2 * (2 * 8 * 36 - 2 * N3 / 3)),
    flops("qr, complete", lambda a: torch.linalg.qr(a, "complete"), [(2, 8, 6)],
          2 * (2 * 8 * 36 - 2 * N3 / 3 + 4 * (64 * 6 - 8 * 36 + N3 / 3))),
    flops("qr into tensors", qr_into_tensors, [(8, 6)], 2 * (2 * 8 * 36 - 2 * N3 / 3)),
    flops("householder_product", torch.linalg.householder_product, [(8, 6), (6,)], 2 * 8 * 36 - 2 * N3 / 3),
    # six reflections of length 8 on three columns: 4·8·3·6 - 2·3·6²
    flops("ormqr", torch.ormqr, [(8, 6), (6,), (8, 3)], 4 * 8 * 3 * 6 - 2 * 3 * 36),
    flops("ormqr from the right", lambda a, t, b: torch.ormqr(a, t, b, left=False), [(8, 6), (6,), (3, 8)],
          4 * 8 * 3 * 6 - 2 * 3 * 36),
    # QR, its Q on three right-hand sides (4mn - 2n² each), and a triangular solve (n² each)
    flops("lstsq", torch.linalg.lstsq, [(2, 8, 6), (2, 8, 3)],
          2 * (2 * 8 * 36 - 2 * N3 / 3 + 3 * (4 * 8 * 6 - 2 * 36) + 3 * 36), not_on=not_on_meta("linalg_lstsq")),
    # the least of all solutions, of which there are many: the same with the sides exchanged
    flops("lstsq, underdetermined", torch.linalg.lstsq, [(6, 8), (6, 3)],
          2 * 8 * 36 - 2 * N3 / 3 + 3 * (4 * 8 * 6 - 2 * 36) + 3 * 36, not_on=not_on_meta("linalg_lstsq")),
    # five products of 2n³: a Taylor polynomial of degree 18
    flops("matrix_exp", torch.linalg.matrix_exp, [S], 2 * 5 * 2 * N3),
    flops("complex matrix_exp", torch.linalg.matrix_exp, (torch.ones(4, 4, dtype=torch.complex64),), 4 * 5 * 2 * 64),
    flops("ldl_factor", torch.linalg.ldl_factor, (WELL,), 2 * N3 / 3),
    # a complex operation is four real ones
    flops("complex inv", torch.linalg.inv, (WELL.to(torch.complex64),), 4 * 2 * 2 * N3),
]  # fmt: skip


def uncounted(name: str, function: Callable[..., Any], inputs: Any, operator: str, **expected: Any) -> Case:
    """A case that cannot be counted: it must be reported."""
    return calls(name, function, inputs, macs=0, activations=0, uncounted={operator: 1}, **expected)


SYMMETRIC = WELL @ WELL.mT
ITERATIVE = [
    uncounted("svd", torch.linalg.svd, [S], "_linalg_svd"),
    uncounted("svdvals", torch.linalg.svdvals, [S], "_linalg_svd"),
    uncounted("nuclear norm", lambda a: torch.linalg.matrix_norm(a, "nuc"), [S], "_linalg_svd"),
    uncounted("spectral norm", lambda a: torch.linalg.matrix_norm(a, 2), [S], "_linalg_svd"),
    uncounted("matrix_rank", torch.linalg.matrix_rank, [S], "_linalg_svd"),
    uncounted("cond", torch.linalg.cond, [S], "_linalg_svd"),
    uncounted("eigh", torch.linalg.eigh, (SYMMETRIC,), "_linalg_eigh"),
    uncounted("eig", torch.linalg.eig, [S], "linalg_eig"),
    uncounted("lstsq by singular values", lambda a, b: torch.linalg.lstsq(a, b, driver="gelsd"),
              [(2, 8, 6), (2, 8, 3)], "linalg_lstsq", not_on=not_on_meta("linalg_lstsq")),
    uncounted("pinv", torch.linalg.pinv, [S], "linalg_pinv"),
]  # fmt: skip

IMAGE = (2, 4, 6, 6)


def softly(x: torch.Tensor) -> Any:
    return F.dropout(F.softmax(F.gelu(x), -1), 0.5, training=True), F.log_softmax(x, -1), F.glu(x), F.normalize(x)


def moved(x: torch.Tensor) -> Any:
    y = torch.cat([x.flip(-1), x.roll(1, -1)], 1).permute(0, 2, 3, 1).contiguous().view(2, -1)
    y[:, :4] = 0
    return y[:, ::2].clone(), x.gather(1, x.new_zeros(2, 1, 6, 6, dtype=torch.int64)), F.pad(x, (1, 1)), x.tril()


def reduced(x: torch.Tensor) -> Any:
    return x.sum(1), x.std(-1), x.logsumexp(1), x.cumsum(1), x.topk(2, 1), x.sort(-1), x.argmax(1), x.norm(), x.var(0)


def products(x: torch.Tensor) -> Any:
    return torch.outer(x, x), torch.kron(x, x), torch.linalg.cross(x, x)


def losses(x: torch.Tensor) -> Any:
    words = x.new_zeros(2, 6, 6, dtype=torch.int64)
    return (
        F.cross_entropy(x, words),
        F.mse_loss(x, x),
        F.smooth_l1_loss(x, x),
        F.kl_div(x, x),
        F.cosine_similarity(x, x),
    )


# What moves data, is element-wise, or reduces is free in every convention.
FREE = [
    free("element-wise", lambda: Calls(softly), IMAGE),
    free("moving", lambda: Calls(moved), IMAGE),
    free("reducing", lambda: Calls(reduced), IMAGE),
    free("losses", lambda: Calls(losses), IMAGE),
    free("unfold and fold", lambda: Calls(lambda x: F.fold(F.unfold(x, 3), (6, 6), 3)), IMAGE),
    free("products without a sum", lambda: Calls(products), (3,)),
    free("in place", lambda: Calls(lambda x: x.add_(1).mul_(2).relu_().clamp_(0, 1).masked_fill_(x > 0, 0)), IMAGE),
    free("foreach", lambda: Calls(lambda x: torch._foreach_add([x, x], 1)), IMAGE),
    free("lu_unpack", lambda: Calls(torch.lu_unpack), (6, 6), torch.ones(6, dtype=torch.int32)),
    free("fake quantisation", lambda: Calls(lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255)), IMAGE,
         not_on=not_on_meta("fake_quantize_per_tensor_affine")),
    free("CTC loss", lambda: Calls(lambda x: F.ctc_loss(x, torch.ones(2, 3, dtype=torch.int32), (6, 6), (3, 3))),
         (6, 2, 5)),
]  # fmt: skip

CASES = [*EMBEDDING, *FFT, *LINALG, *ITERATIVE, *FREE]


@each_way(CASES)
def test_an_operator_costs_the_same_however_it_runs(case: Case, way: str) -> None:
    case.check(way)


@each([*EMBEDDING, *FFT, *LINALG])
def test_torch_flops_are_two_a_multiply_add(case: Case) -> None:
    case.check_torch_convention()


def test_what_is_uncounted_is_named_with_its_module() -> None:
    class Whitening(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigh(x.mT @ x).eigenvectors

    cost = measure(nn.Sequential(nn.Linear(6, 6), Whitening(), Whitening()), inputs=[(8, 6)])
    assert cost.uncounted == {"_linalg_eigh": 2}
    assert cost.uncounted_in == {"_linalg_eigh": ("1", "2")}
    assert cost.macs == 8 * 6 * 6 + 6 * 6 * 8 + 6 * 6 * 6  # the linear layer, x.T @ x of (8, 6), and of (6, 6)
