"""Fourier transforms and matrix factorisations, by their textbook operation counts.

FFT: ``5 N log2 N`` (the FFTW benchmark convention). Linear algebra: LAPACK working note 41. Iterative algorithms
(singular values, eigenvalues) have no fixed count and are reported as uncounted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .count import Count, multiply_adds, operations
from .registry import formula


def fft_flop(elements: int, lengths: Sequence[int], *, real: bool) -> Count:
    """``5 N log2 N`` for a complex transform over ``lengths``, half of it when one side is real."""
    points = math.prod(lengths)
    return operations((2.5 if real else 5.0) * elements * math.log2(points)) if points > 1 else operations(0)


@formula("_fft_c2c")
def fft_c2c_flop(self: Any, dim: Sequence[int], *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Complex to complex over ``dim``."""
    return fft_flop(self.numel(), [self.shape[d] for d in dim], real=False)


@formula("_fft_r2c")
def fft_r2c_flop(self: Any, dim: Sequence[int], *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Real to complex over ``dim``; the input is the real side."""
    return fft_flop(self.numel(), [self.shape[d] for d in dim], real=True)


@formula("_fft_c2r")
def fft_c2r_flop(self: Any, dim: Sequence[int], *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Complex to real over ``dim``; the output is the real side."""
    return fft_flop(out.numel(), [out.shape[d] for d in dim], real=True)


def _square(matrix: Any, flops_of_n: float) -> Count:
    factor = 4 if matrix.dtype.is_complex else 1
    return operations(math.prod(matrix.shape[:-2]) * flops_of_n * factor)


@formula("linalg_cholesky_ex", "cholesky")
def cholesky_flop(self: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``n³/3``."""
    return _square(self, self.shape[-1] ** 3 / 3)


@formula("linalg_lu_factor_ex", "linalg_lu")
def lu_flop(A: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """``m n² - n³/3`` for the longer side m: ``2n³/3`` for a square."""
    return _square(A, _lu(A))


def _lu(matrix: Any) -> float:
    m, n = max(matrix.shape[-2:]), min(matrix.shape[-2:])
    return float(m * n * n - n**3 / 3)


@formula("_linalg_det", "_linalg_slogdet")
def det_flop(A: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """An LU factorisation: ``2n³/3``."""
    return _square(A, _lu(A))


@formula("linalg_inv_ex")
def inv_flop(A: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """``2n³``."""
    return _square(A, 2 * A.shape[-1] ** 3)


def _columns(matrix: Any, right: Any) -> int:
    return int(right.numel() // max(math.prod(matrix.shape[:-2]) * matrix.shape[-1], 1))


@formula("_linalg_solve_ex")
def solve_flop(A: Any, B: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """An LU factorisation and two triangular solves: ``2n³/3 + 2n²k`` for k right-hand sides."""
    return _square(A, _lu(A) + 2 * A.shape[-1] ** 2 * _columns(A, B))


@formula("linalg_solve_triangular")
def solve_triangular_flop(self: Any, B: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """``n²k``."""
    return _square(self, self.shape[-1] ** 2 * _columns(self, B))


@formula("triangular_solve")
def triangular_solve_flop(self: Any, A: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """``n²k``, called as (right-hand side, matrix)."""
    return _square(A, A.shape[-1] ** 2 * _columns(A, self))


@formula("cholesky_solve", "_cholesky_solve_helper")
def cholesky_solve_flop(self: Any, A: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """Two triangular solves: ``2n²k``, called as (right-hand side, factor)."""
    return _square(A, 2 * A.shape[-1] ** 2 * _columns(A, self))


@formula("linalg_lu_solve")
def lu_solve_flop(LU: Any, pivots: Any, B: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """Two triangular solves: ``2n²k``."""
    return _square(LU, 2 * LU.shape[-1] ** 2 * _columns(LU, B))


@formula("linalg_ldl_factor_ex")
def ldl_factor_flop(self: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``n³/3``, as for Cholesky."""
    return _square(self, self.shape[-1] ** 3 / 3)


@formula("linalg_ldl_solve")
def ldl_solve_flop(LD: Any, pivots: Any, B: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:  # noqa: N803
    """Two triangular solves: ``2n²k``."""
    return _square(LD, 2 * LD.shape[-1] ** 2 * _columns(LD, B))


@formula("cholesky_inverse")
def cholesky_inverse_flop(self: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``2n³/3``, from the Cholesky factor."""
    return _square(self, 2 * self.shape[-1] ** 3 / 3)


@formula("linalg_matrix_exp")
def matrix_exp_flop(self: Any, *, out: Any) -> Count:
    """Five products of ``2n³`` each: a Taylor polynomial of degree 18.

    So PyTorch computes it (``compute_T18`` in ``aten/src/ATen/native/LinearAlgebra.cpp``, after Bader, Blanes and
    Casas, "Computing the matrix exponential with an optimized Taylor polynomial approximation", 2019). A smaller norm
    would do with fewer products, a larger one takes one more to square each time it is halved: that is data. Its
    derivative is the exponential of a matrix of twice the size, and counts as that.
    """
    return _square(self, 5 * 2 * self.shape[-1] ** 3)


@formula("_compute_linear_combination")
def linear_combination_flop(input: Any, coefficients: Any, *, out: Any) -> Count:
    """Sums of N tensors, each weighted: ``coefficients (M, N)`` times ``input (N, ...)``."""
    return multiply_adds(out.numel() * coefficients.shape[-1], out.numel())


def _householder(m: int, n: int) -> float:
    k = min(m, n)
    return float(4 * m * n * k - 2 * (m + n) * k * k + 4 * k**3 / 3)


def _form_q(m: int, n: int, k: int) -> float:
    return float(4 * m * n * k - 2 * (m + n) * k * k + 4 * k**3 / 3)


@formula("linalg_qr")
def qr_flop(A: Any, mode: str = "reduced", *, out: Any) -> Count:  # noqa: N803
    """``2mn² - 2n³/3`` for R, as much again to form the reduced Q, ``4(m²n - mn² + n³/3)`` for the complete one."""
    m, n = A.shape[-2], A.shape[-1]
    k = min(m, n)
    forming = 0.0 if mode == "r" else _form_q(m, k if mode == "reduced" else m, k)
    return _square(A, _householder(m, n) + forming)


@formula("linalg_householder_product")
def householder_product_flop(input: Any, tau: Any, *, out: Any) -> Count:
    """The first n columns of a product of k reflections of length m: ``4mnk - 2(m + n)k² + 4k³/3``."""
    return _square(input, _form_q(input.shape[-2], input.shape[-1], tau.shape[-1]))


@formula("ormqr")
def ormqr_flop(self: Any, tau: Any, other: Any, left: bool = True, *rest: Any, out: Any) -> Count:
    """k reflections of length m applied to the n columns of a matrix (or its rows): ``4mnk - 2nk²``."""
    k = tau.shape[-1]
    length, vectors = other.shape[-2:] if left else reversed(other.shape[-2:])
    return _square(other, 4 * length * vectors * k - 2 * vectors * k * k)


@formula("linalg_lstsq")
def lstsq_flop(self: Any, b: Any, rcond: Any = None, *, driver: str | None = None, out: Any) -> Count | None:
    """By an orthogonal factorisation of the ``(m, n)`` matrix, m the longer side, and k right-hand sides.

    QR, its Q applied to the right-hand sides, and a triangular solve: ``2mn² - 2n³/3 + k(4mn - n²)``. The drivers by
    singular values (``gelsd``, ``gelss``) iterate.
    """
    if driver in ("gelsd", "gelss"):
        return None
    m, n = max(self.shape[-2:]), min(self.shape[-2:])
    k = b.shape[-1] if b.dim() == self.dim() else 1
    return _square(self, _householder(m, n) + k * (4 * m * n - n * n))


@formula("geqrf")
def geqrf_flop(self: Any, *, out: Any) -> Count:
    """``2mn² - 2n³/3`` for m ≥ n."""
    m, n = self.shape[-2], self.shape[-1]
    return _square(self, _householder(m, n))
