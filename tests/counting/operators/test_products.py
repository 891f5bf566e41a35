"""Matrix products of every shape, dtype and layout, and what reduces to them, against counts derived by hand."""

from __future__ import annotations

import operator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from four_ways import WAYS, Case, calls, each, each_way, not_on_meta, without_kernel, written
from torch import nn

B, M, K, N = 2, 3, 4, 5
V, MK, KN, BMK, BKN = (K,), (M, K), (K, N), (B, M, K), (B, K, N)

# (M, K) @ (K, N) is M·N results of K multiply-adds each.
MATMUL = [
    calls("1D@1D", torch.matmul, [V, V], macs=K, activations=1),
    calls("1D@2D", torch.matmul, [V, KN], macs=K * N, activations=N),
    calls("2D@1D", torch.matmul, [MK, V], macs=M * K, activations=M),
    calls("2D@2D", torch.matmul, [MK, KN], macs=M * N * K, activations=M * N),
    calls("3D@1D", torch.matmul, [BMK, V], macs=B * M * K, activations=B * M),
    calls("1D@3D", torch.matmul, [V, BKN], macs=B * N * K, activations=B * N),
    calls("3D@2D", torch.matmul, [BMK, KN], macs=B * M * N * K, activations=B * M * N),
    calls("2D@3D", torch.matmul, [MK, BKN], macs=B * M * N * K, activations=B * M * N),
    calls("3D@3D", torch.matmul, [BMK, BKN], macs=B * M * N * K, activations=B * M * N),
    calls("broadcast", torch.matmul, [(7, 1, M, K), BKN], macs=7 * B * M * N * K, activations=7 * B * M * N),
    calls("expand", lambda a, b: a.expand(B, M, K) @ b, [MK, BKN], macs=B * M * N * K, activations=B * M * N),
    calls("transposed", lambda a, b: a @ b.mT, [BMK, (N, K)], macs=B * M * N * K, activations=B * M * N),
    calls("nothing", torch.matmul, [(0, K), KN], macs=0, activations=0),
    calls("no length", torch.matmul, [(M, 0), (0, N)], macs=0, activations=M * N),
]

FUNCTIONS = [
    calls("mm", torch.mm, [MK, KN], macs=M * N * K, activations=M * N),
    calls("bmm", torch.bmm, [BMK, BKN], macs=B * M * N * K, activations=B * M * N),
    calls("addmm", torch.addmm, [(M, N), MK, KN], macs=M * N * K, activations=M * N),
    calls("baddbmm", torch.baddbmm, [(B, M, N), BMK, BKN], macs=B * M * N * K, activations=B * M * N),
    calls("addbmm", torch.addbmm, [(M, N), BMK, BKN], macs=B * M * N * K, activations=M * N),
    calls("mv", torch.mv, [MK, V], macs=M * K, activations=M),
    calls("addmv", torch.addmv, [(M,), MK, V], macs=M * K, activations=M),
    calls("dot", torch.dot, [V, V], macs=K, activations=1),
    calls("vdot", torch.vdot, [V, V], macs=K, activations=1),
    calls("inner of vectors", torch.inner, [V, V], macs=K, activations=1),
    calls("inner", torch.inner, [BMK, (N, K)], macs=B * M * N * K, activations=B * M * N),
    # PyTorch multiplies element by element and sums, so this is what (x * y).sum(-1) is: free
    calls("vecdot", torch.linalg.vecdot, [MK, MK], macs=0, activations=0),
    # (2, 3 | 4, 5) with (4, 5 | 6): 2·3·6 results, each a sum of 4·5
    calls("tensordot", torch.tensordot, [(2, 3, 4, 5), (4, 5, 6)], macs=2 * 3 * 6 * 4 * 5, activations=2 * 3 * 6),
    # (10, 100)(100, 5) first: 10·5·100 + 10·50·5 = 7 500; from the right it would be 75 000
    calls("multi_dot", lambda *m: torch.linalg.multi_dot(m), [(10, 100), (100, 5), (5, 50)],
          macs=10 * 5 * 100 + 10 * 50 * 5, activations=10 * 5 + 10 * 50),
    # v(Aw) is K·N + K, one less than (vA)w = K·N + N
    calls("multi_dot of vectors", lambda *m: torch.linalg.multi_dot(m), [V, KN, (N,)],
          macs=K * N + K, activations=K + 1),
    calls("chain_matmul", torch.chain_matmul, [(10, 100), (100, 5), (5, 50)],
          macs=10 * 5 * 100 + 10 * 50 * 5, activations=10 * 5 + 10 * 50),
    # A³ = A·A·A
    calls("matrix_power", lambda a: torch.linalg.matrix_power(a, 3), [(K, K)], macs=2 * K**3, activations=2 * K**2),
    # the covariance of M variables in K observations is (M, K) @ (K, M)
    calls("cov", torch.cov, [MK], macs=M * M * K, activations=M * M,
          not_on=not_on_meta("aten::equal")),
    calls("linear", F.linear, [BMK, (N, K), (N,)], macs=B * M * N * K, activations=B * M * N),
    calls("linear to one", F.linear, [BMK, V], macs=B * M * K, activations=B * M),
    calls("aten::linear", torch.ops.aten.linear, [BMK, (N, K)], macs=B * M * N * K, activations=B * M * N),
    calls("aten::mm", torch.ops.aten.mm.default, [MK, KN], macs=M * N * K, activations=M * N),
    # a grid of N·H·W points, each a (2, 3) matrix times (x, y, 1); in 3-D (3, 4) times (x, y, z, 1)
    calls("affine_grid", lambda t: F.affine_grid(t, [2, 1, 5, 6], False), [(2, 2, 3)],
          macs=2 * 5 * 6 * 2 * 3, activations=2 * 5 * 6 * 2),
    calls("affine_grid 3D", lambda t: F.affine_grid(t, [2, 1, 4, 5, 6], False), [(2, 3, 4)],
          macs=2 * 4 * 5 * 6 * 3 * 4, activations=2 * 4 * 5 * 6 * 3),
]  # fmt: skip


def out(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    return torch.empty(shape, device=like.device)


IN_PLACE = [
    calls("mm out", written(lambda a, b: torch.mm(a, b, out=out((M, N), a))), [MK, KN],
          macs=M * N * K, activations=M * N),
    calls("matmul out", written(lambda a, b: torch.matmul(a, b, out=out((B, M, N), a))), [BMK, BKN],
          macs=B * M * N * K, activations=B * M * N),
    calls("addmm out", written(lambda c, a, b: torch.addmm(c, a, b, out=out((M, N), a))), [(M, N), MK, KN],
          macs=M * N * K, activations=M * N),
    calls("bmm out", written(lambda a, b: torch.bmm(a, b, out=out((B, M, N), a))), [BMK, BKN],
          macs=B * M * N * K, activations=B * M * N),
    calls("linear out", written(lambda a, b: torch.ops.aten.linear.out(a, b, out=out((M, N), a))), [MK, (N, K)],
          macs=M * N * K, activations=M * N),
    calls("einsum into a view", written(lambda a, b: a.new_empty(7, M, N)[0].copy_(torch.einsum("mk,kn->mn", a, b))),
          [MK, KN], macs=M * N * K, activations=M * N),
    calls("addmm_", lambda c, a, b: c.addmm_(a, b), [(M, N), MK, KN], macs=M * N * K, activations=M * N),
    calls("addmv_", lambda c, a, b: c.addmv_(a, b), [(M,), MK, V], macs=M * K, activations=M),
    calls("baddbmm_", lambda c, a, b: c.baddbmm_(a, b), [(B, M, N), BMK, BKN],
          macs=B * M * N * K, activations=B * M * N),
    calls("addbmm_", lambda c, a, b: c.addbmm_(a, b), [(M, N), BMK, BKN], macs=B * M * N * K, activations=M * N),
    calls("@=", lambda a, b: operator.imatmul(a, b), [(K, K), (K, K)], macs=K * K * K, activations=K * K),
]  # fmt: skip

# einsum contracts from the left to the right; every contraction is a batched matrix product.
EINSUM = [
    calls("ij,jk->ik", lambda a, b: torch.einsum("ij,jk->ik", a, b), [MK, KN], macs=M * N * K, activations=M * N),
    calls("implicit", lambda a, b: torch.einsum("ij,jk", a, b), [MK, KN], macs=M * N * K, activations=M * N),
    calls("sublists", lambda a, b: torch.einsum(a, [0, 1], b, [1, 2], [0, 2]), [MK, KN],
          macs=M * N * K, activations=M * N),
    calls("attention", lambda q, k: torch.einsum("bhqd,bhkd->bhqk", q, k), [(2, 3, 7, 8), (2, 3, 5, 8)],
          macs=2 * 3 * 7 * 5 * 8, activations=2 * 3 * 7 * 5),
    calls("two dimensions", lambda a, b: torch.einsum("bchw,ochw->bo", a, b), [(2, 3, 4, 5), (6, 3, 4, 5)],
          macs=2 * 6 * 3 * 4 * 5, activations=2 * 6),
    calls("ellipsis", lambda a, b: torch.einsum("...ij,...jk->...ik", a, b), [(7, 1, M, K), (1, B, K, N)],
          macs=7 * B * M * N * K, activations=7 * B * M * N),
    calls("dot product", lambda a, b: torch.einsum("i,i->", a, b), [V, V], macs=K, activations=1),
    # i is in one operand only, so it is summed first, which is free: K·N is left
    calls("sum first", lambda a, b: torch.einsum("ij,jk->k", a, b), [MK, KN], macs=K * N, activations=N),
    # (ij,jk)->ik: 2·4·3, then (ik,kl)->il: 2·5·4
    calls("three operands", lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c), [(2, 3), (3, 4), (4, 5)],
          macs=2 * 4 * 3 + 2 * 5 * 4, activations=2 * 4 + 2 * 5),
    # (bi,oij)->boj: B·6·5·4, then (boj,bj)->bo: B·6·5
    calls("bilinear", lambda a, w, b: torch.einsum("bi,oij,bj->bo", a, w, b), [(B, 4), (6, 4, 5), (B, 5)],
          macs=B * 6 * 5 * 4 + B * 6 * 5, activations=B * 6 * 5 + B * 6),
    # nothing is summed: element-wise, transposed, the diagonal, and an outer product
    calls("element-wise", lambda a, b: torch.einsum("ij,ij->ij", a, b), [MK, MK], macs=0, activations=0),
    calls("transpose", lambda a: torch.einsum("ij->ji", a), [MK], macs=0, activations=0),
    calls("trace", lambda a: torch.einsum("ii->", a), [(K, K)], macs=0, activations=0),
    calls("outer", lambda a, b: torch.einsum("i,j->ij", a, b), [(M,), (N,)], macs=0, activations=0),
]  # fmt: skip

# A distance of two points in K dimensions takes K multiply-adds, in every norm and by every kernel: for p = 2 and
# more than 25 points PyTorch multiplies matrices.
DISTANCE = [
    *(
        calls(f"cdist p={p} {size}", lambda a, b, p=p: torch.cdist(a, b, p=p), [(P, K), (R, K)],
              macs=P * R * K, activations=P * R)
        for p in (0, 1, 2, 3, float("inf"))
        for size, P, R in (("small", 5, 6), ("large", 50, 60))
    ),
    calls("cdist batched", torch.cdist, [(B, 30, K), (B, 40, K)], macs=B * 30 * 40 * K, activations=B * 30 * 40),
    *(
        calls(f"cdist {mode}", lambda a, b, mode=mode: torch.cdist(a, b, compute_mode=mode), [(50, K), (60, K)],
              macs=50 * 60 * K, activations=50 * 60)
        for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
    ),
    # 10 points have 10·9/2 pairs
    calls("pdist", F.pdist, [(10, K)], macs=45 * K, activations=45),
    calls("pdist p=1", lambda x: F.pdist(x, p=1), [(10, K)], macs=45 * K, activations=45),
]  # fmt: skip

# x1 W_o x2 for each of O outputs: I·J multiply-adds
BILINEAR = [
    Case("nn.Bilinear", lambda: nn.Bilinear(4, 5, 6), [(B, 4), (B, 5)], macs=B * 6 * 4 * 5, activations=B * 6),
    Case("nn.Bilinear 3D", lambda: nn.Bilinear(4, 5, 6, bias=False), [(B, 7, 4), (B, 7, 5)],
         macs=B * 7 * 6 * 4 * 5, activations=B * 7 * 6),
    calls("F.bilinear", F.bilinear, [(B, 4), (B, 5), (6, 4, 5)], macs=B * 6 * 4 * 5, activations=B * 6),
]  # fmt: skip


def complex64(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.complex64)


# A complex multiply-add is four real ones.
COMPLEX = [
    calls("complex mm", torch.mm, (complex64(M, K), complex64(K, N)), macs=4 * M * N * K, activations=M * N),
    calls("complex mv", torch.mv, (complex64(M, K), complex64(K)), macs=4 * M * K, activations=M),
    calls("complex vdot", torch.vdot, (complex64(K), complex64(K)), macs=4 * K, activations=1),
    calls("complex bmm", torch.matmul, (complex64(B, M, K), complex64(B, K, N)),
          macs=4 * B * M * N * K, activations=B * M * N),
    calls("complex einsum", lambda a, b: torch.einsum("ij,jk->ik", a, b), (complex64(M, K), complex64(K, N)),
          macs=4 * M * N * K, activations=M * N),
    Case("complex Linear", lambda: nn.Linear(K, N, dtype=torch.complex64), (complex64(B, M, K),),
         macs=4 * B * M * N * K, activations=B * M * N),
]  # fmt: skip

FP8 = torch.float8_e4m3fn
INTEGER = [
    *(
        calls(f"mm {dtype}", torch.mm, (torch.ones(M, K, dtype=dtype), torch.ones(K, N, dtype=dtype)),
              macs=M * N * K, activations=M * N)
        for dtype in (torch.int64, torch.int32, torch.uint8, torch.bfloat16, torch.float16, torch.float64)
    ),
    calls("_int_mm", torch._int_mm, (torch.ones(32, 16, dtype=torch.int8), torch.ones(16, 8, dtype=torch.int8)),
          macs=32 * 8 * 16, activations=32 * 8),
    calls("_scaled_mm", lambda a, b, s: torch._scaled_mm(a, b.t(), s, s, out_dtype=torch.bfloat16),
          (torch.ones(16, 32).to(FP8), torch.ones(48, 32).to(FP8), torch.ones(())),
          macs=16 * 48 * 32, activations=16 * 48, not_on=without_kernel("aten::_scaled_mm")),
]  # fmt: skip


def experts(tokens: torch.Tensor, weights: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    return torch._grouped_mm(tokens, weights, ends)


# 24 tokens are split among 3 experts (16, 32): each token meets one of them.
# A gradient of the experts' weights is the reverse: (16, 24) @ (24, 32), the 24 split into 3 results.
HALF, ENDS = torch.bfloat16, torch.tensor([8, 16, 24], dtype=torch.int32)
IF_GROUPED: Any = {"needs": "torch._grouped_mm", "not_on": without_kernel("aten::_grouped_mm")}

GROUPED = [
    calls("2D@3D", experts, (torch.ones(24, 16, dtype=HALF), torch.ones(3, 16, 32, dtype=HALF), ENDS),
          macs=24 * 16 * 32, activations=24 * 32, **IF_GROUPED),
    calls("3D@2D", experts, (torch.ones(3, 8, 16, dtype=HALF), torch.ones(16, 24, dtype=HALF), ENDS),
          macs=24 * 16 * 8, activations=24 * 8, **IF_GROUPED),
    calls("3D@3D", lambda a, b: torch._grouped_mm(a, b),
          (torch.ones(3, 8, 16, dtype=HALF), torch.ones(3, 16, 32, dtype=HALF)),
          macs=3 * 8 * 16 * 32, activations=3 * 8 * 32, **IF_GROUPED),
    calls("2D@2D", experts, (torch.ones(16, 24, dtype=HALF), torch.ones(24, 32, dtype=HALF), ENDS),
          macs=16 * 24 * 32, activations=3 * 16 * 32, **IF_GROUPED),
]  # fmt: skip

# Rows behind the last border are in no group: where it is known, 20 of 24 count.
FEWER = torch.tensor([8, 16, 20], dtype=torch.int32)
GROUPED += [
    calls("2D@3D, some left over", lambda a, b: torch._grouped_mm(a, b, FEWER),
          (torch.ones(24, 16, dtype=HALF), torch.ones(3, 16, 32, dtype=HALF)),
          macs=20 * 16 * 32, activations=24 * 32, **IF_GROUPED),
    calls("3D@2D, some left over", lambda a, b: torch._grouped_mm(a, b, FEWER),
          (torch.ones(3, 8, 16, dtype=HALF), torch.ones(16, 24, dtype=HALF)),
          macs=20 * 16 * 8, activations=24 * 8, **IF_GROUPED),
    calls("2D@2D, some left over", lambda a, b: torch._grouped_mm(a, b, FEWER),
          (torch.ones(16, 24, dtype=HALF), torch.ones(24, 32, dtype=HALF)),
          macs=16 * 20 * 32, activations=3 * 16 * 32, **IF_GROUPED),
]  # fmt: skip


class Sparse(nn.Module):
    """``function(a, x)`` of a constant sparse matrix (6, 8) that holds 4 elements."""

    def __init__(self, matrix: torch.Tensor, function: Any) -> None:
        super().__init__()
        self.matrix = matrix
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self.matrix, x)


def sparse(name: str, layout: Any, function: Any, why: str, **expected: Any) -> Case:
    """A case for a sparse matrix. Which elements it holds is data, so it is counted for real only."""
    dense = torch.zeros(6, 8)
    dense[0, 1] = dense[1, 7] = dense[2, 3] = dense[5, 5] = 1
    return Case(name, lambda: Sparse(layout(dense), function), [(8, 3)], not_on=not_on_meta(why), **expected)


def arrow() -> torch.Tensor:
    """A sparse matrix (6, 6) with a diagonal, and three elements more in its first row."""
    matrix = torch.eye(6)
    matrix[0, :4] = 1
    return matrix.to_sparse()


COO, CSR, CSC = torch.Tensor.to_sparse, torch.Tensor.to_sparse_csr, torch.Tensor.to_sparse_csc
# Each of the 4 elements meets the 3 columns of x.
SPARSE = [
    sparse("COO mm", COO, torch.sparse.mm, "_sparse_addmm", macs=4 * 3, activations=6 * 3),
    sparse("CSR mm", CSR, torch.sparse.mm, "_sparse_addmm", macs=4 * 3, activations=6 * 3),
    sparse("COO @", COO, torch.matmul, "matmul|mm", macs=4 * 3, activations=6 * 3),
    sparse("CSR @", CSR, torch.matmul, "matmul|mm", macs=4 * 3, activations=6 * 3),
    sparse("CSC @", CSC, torch.matmul, "unsupported device", macs=4 * 3, activations=6 * 3),
    sparse("CSR @ vector", CSR, lambda a, x: a @ x[:, 0], "matmul|mv", macs=4, activations=6),
    sparse("dense @ COO", COO, lambda a, x: x[:6].t() @ a, "matmul|mm", macs=4 * 3, activations=3 * 8),
    sparse("CSR as weight", CSR, lambda a, x: F.linear(x.t(), a), "linear|mm", macs=4 * 3, activations=3 * 6),
    # blocks of 2 x 2 are stored whole; each of the four elements is in another block
    sparse("BSR @", lambda d: d.to_sparse_bsr((2, 2)), torch.matmul, "matmul|mm", macs=4 * 4 * 3, activations=6 * 3),
    sparse("reduce", CSR, lambda a, x: torch.sparse.mm(a, x, "mean"), "_sparse_mm_reduce",
           macs=4 * 3, activations=6 * 3),
    # (6, 3) @ (3, 8) at the four places only
    sparse("sampled_addmm", CSR, lambda a, x: torch.sparse.sampled_addmm(a, x[:6], x.t()), "sampled_addmm",
           macs=4 * 3, activations=4),
    # Each element meets what the row of its column holds: in the first row they meet 4, 1, 1 and 1, in the others one.
    Case("COO @ COO", lambda: Sparse(arrow(), lambda a, x: torch.sparse.mm(a, a)), [(8, 3)],
         macs=4 + 1 + 1 + 1 + 5, activations=9, not_on=not_on_meta("_sparse_sparse_matmul")),
    Case("CSR @ CSR", lambda: Sparse(arrow().to_sparse_csr(), lambda a, x: a @ a), [(8, 3)],
         macs=4 + 1 + 1 + 1 + 5, activations=9, not_on=not_on_meta("matmul|mm")),
]  # fmt: skip

PRODUCTS = [
    *SPARSE, *MATMUL, *FUNCTIONS, *IN_PLACE, *EINSUM, *DISTANCE, *BILINEAR, *COMPLEX, *INTEGER, *GROUPED
]  # fmt: skip


@each_way(PRODUCTS)
def test_a_product_costs_the_same_however_it_runs(case: Case, way: str) -> None:
    case.check(way)


def test_einsum_takes_the_order_written_whatever_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With opt_einsum installed PyTorch contracts in the cheapest order: then the count would depend on it."""
    asked = []

    def contract_path(equation: str, *operands: Any, optimize: str) -> tuple[list[tuple[int, int]], str]:
        asked.append(equation)
        return [(1, 2), (0, 1)], "from the right"

    settings = torch.backends.opt_einsum.m
    monkeypatch.setattr(settings, "_opt_einsum", SimpleNamespace(contract_path=contract_path))
    monkeypatch.setattr(settings, "is_available", lambda: True)
    monkeypatch.setattr(settings, "enabled", True)
    monkeypatch.setattr(settings, "strategy", "auto")

    case = next(case for case in EINSUM if case.name == "three operands")
    for way in WAYS:
        case.check(way)
    assert asked == []
    torch.einsum("ij,jk,kl->il", torch.ones(2, 3), torch.ones(3, 4), torch.ones(4, 5))
    assert asked == ["ij,jk,kl->il"], "measuring left it switched off"


@each(PRODUCTS)
def test_a_multiply_add_is_two_flops_for_torch(case: Case) -> None:
    case.check_torch_convention()
