"""Calls that a CPU and a GPU both refuse are refused in a measurement, too: a budget is of a model that can run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from four_ways import Calls
from one_attempt import attempt
from releases import SAYS_SO, needs
from torch import nn

from pytest_modelbudget import ModelError, measure
from pytest_modelbudget.counting.meta import checks

F32, F64, BF16, F16 = torch.float32, torch.float64, torch.bfloat16, torch.float16
I64, I32, I8, BOOL, C64 = torch.int64, torch.int32, torch.int8, torch.bool, torch.complex64

Call = Callable[[Any], Any]
sdpa = F.scaled_dot_product_attention


class On:
    """Makes tensors of zeros on a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __call__(self, *size: int, dtype: torch.dtype = F32) -> torch.Tensor:
        return torch.zeros(size, dtype=dtype, device=self.device)

    def module(self, kind: Any, *args: Any, dtype: torch.dtype = F32, **options: Any) -> nn.Module:
        return kind(*args, device=self.device, dtype=dtype, **options)


def products(one: torch.dtype, other: torch.dtype) -> dict[str, tuple[Call, str]]:
    """Products of an operand in ``one`` dtype and a weight in ``other``, with words of what a kernel says."""
    return {
        "linear": (lambda t: F.linear(t(2, 4, dtype=one), t(3, 4, dtype=other)), "same dtype"),
        "linear, 3D": (lambda t: F.linear(t(2, 5, 4, dtype=one), t(3, 4, dtype=other), t(3, dtype=other)),
            "same dtype"),
        "linear, bias": (lambda t: F.linear(t(2, 4, dtype=one), t(3, 4, dtype=one), t(3, dtype=other)), "same dtype"),
        "nn.Linear": (lambda t: t.module(nn.Linear, 4, 3, dtype=other)(t(2, 4, dtype=one)), "same dtype"),
        "mm": (lambda t: t(2, 4, dtype=one) @ t(4, 3, dtype=other), "same dtype"),
        "mv": (lambda t: t(2, 4, dtype=one) @ t(4, dtype=other), "same dtype"),
        "dot": (lambda t: torch.dot(t(4, dtype=one), t(4, dtype=other)), "same dtype"),
        "bmm": (lambda t: torch.bmm(t(2, 3, 4, dtype=one), t(2, 4, 3, dtype=other)), "expected scalar type"),
        "matmul": (lambda t: t(2, 3, 4, dtype=one) @ t(4, 3, dtype=other), "same dtype"),
        "addmm": (lambda t: torch.addmm(t(3, dtype=one), t(2, 4, dtype=one), t(4, 3, dtype=other)), "same dtype"),
        "einsum": (lambda t: torch.einsum("ij,jk->ik", t(2, 4, dtype=one), t(4, 3, dtype=other)),
            "expected scalar type"),
        "bilinear": (lambda t: F.bilinear(t(2, 4, dtype=one), t(2, 5, dtype=one), t(6, 4, 5, dtype=other)),
            "same dtype"),
        "conv1d": (lambda t: F.conv1d(t(2, 4, 9, dtype=one), t(6, 4, 3, dtype=other)), "should be the same"),
        "conv2d": (lambda t: F.conv2d(t(2, 4, 9, 9, dtype=one), t(6, 4, 3, 3, dtype=other)), "should be the same"),
        "conv_transpose2d": (lambda t: F.conv_transpose2d(t(2, 4, 9, 9, dtype=one), t(4, 6, 3, 3, dtype=other)),
                             "should be the same"),
        "keys": (lambda t: sdpa(t(2, 2, 5, 8, dtype=one), *[t(2, 2, 5, 8, dtype=other)] * 2),
                 "Expected query, key, and value to have the same dtype"),
        "values": (lambda t: sdpa(*[t(2, 2, 5, 8, dtype=one)] * 2, t(2, 2, 5, 8, dtype=other)),
                   "Expected query, key, and value to have the same dtype"),
        "nn.MultiheadAttention": (
            lambda t: t.module(nn.MultiheadAttention, 8, 2, dtype=other)(*[t(3, 2, 8, dtype=one)] * 3), "same dtype"),
        "nn.LSTM": (lambda t: t.module(nn.LSTM, 4, 5, dtype=other)(t(3, 2, 4, dtype=one)), "dtype"),
        "nn.LSTMCell": (lambda t: t.module(nn.LSTMCell, 4, 5, dtype=other)(t(2, 4, dtype=one)), "same dtype"),
    }  # fmt: skip


PAIRS = [(F32, BF16), (BF16, F32), (F32, F16), (F32, F64)]
MIXED = [
    pytest.param(call, words, id=f"{name} {one} {other}".replace("torch.", ""))
    for one, other in PAIRS
    for name, (call, words) in products(one, other).items()
]

# What is in one precision and its weights, indices, or destination in another that it cannot be beside.
DTYPES: dict[str, tuple[Call, str]] = {
    "layer_norm": (lambda t: F.layer_norm(t(2, 4), (4,), t(4, dtype=BF16), t(4, dtype=BF16)),
                   "expect parameter to have scalar type of Float"),
    "layer_norm, double": (lambda t: F.layer_norm(t(2, 4, dtype=F64), (4,), t(4), t(4)), "share same datatype"),
    "group_norm": (lambda t: F.group_norm(t(2, 4, 3), 2, t(4, dtype=BF16), t(4, dtype=BF16)),
                   "expect parameter to have scalar type of Float"),
    "batch_norm": (lambda t: F.batch_norm(t(2, 4, 3), t(4, dtype=BF16), t(4, dtype=BF16)),
                   "expect parameter to have scalar type of Float"),
    "batch_norm, training": (lambda t: F.batch_norm(t(2, 4, 3), None, None, t(4, dtype=F16), t(4, dtype=F16), True),
                             "expect parameter to have scalar type of Float"),
    "batch_norm of integers": (lambda t: F.batch_norm(t(2, 4, 3, dtype=I64), t(4), t(4)), "not implemented for 'Long'"),
    "attention mask": (lambda t: sdpa(*[t(2, 2, 5, 8)] * 3, attn_mask=t(5, 5, dtype=BF16)),
                       "Expected attn_mask dtype to be bool or float or to match query dtype"),
    "attention mask of integers": (
        lambda t: sdpa(*[t(2, 2, 5, 8)] * 3, attn_mask=t(5, 5, dtype=I64)),
        "Expected attn_mask dtype"),
    "grid_sample": (lambda t: F.grid_sample(t(2, 3, 4, 4, dtype=BF16), t(2, 5, 5, 2)), "expected scalar type BFloat16"),
    "cdist": (lambda t: torch.cdist(t(5, 4), t(6, 4, dtype=F64)), "expected scalar type Float but found Double"),
    "cdist in half precision": (lambda t: torch.cdist(t(5, 4, dtype=BF16), t(6, 4, dtype=BF16)),
                                "\"cdist\" not implemented for 'BFloat16'"),
    "binary_cross_entropy": (lambda t: F.binary_cross_entropy(t(5), t(5, dtype=F64)),
        "Found dtype Double but expected"),
    "ids that are floats": (lambda t: t.module(nn.Embedding, 9, 8)(t(2, 3)), "scalar types: Long, Int; but got"),
    "ids that are masks": (lambda t: F.embedding(t(2, 3, dtype=BOOL), t(9, 8)), "scalar types: Long, Int; but got"),
    "weights of words": (lambda t: F.embedding_bag(t(2, 3, dtype=I64), t(9, 8), mode="sum",
                                                   per_sample_weights=t(2, 3, dtype=F64)),
                         "Expected tensor for argument #1 'weight' to have the same type as tensor for argument"),
    "index_add": (lambda t: t(5, 4).index_add(0, t(2, dtype=I64), t(2, 4, dtype=BF16)),
        "must have the same scalar type"),
    "index_add by floats": (lambda t: t(5, 4).index_add(0, t(2), t(2, 4)), "Expected dtype int32/int64 for index"),
    "index_copy": (lambda t: t(5, 4).index_copy(0, t(2, dtype=I64), t(2, 4, dtype=BF16)),
        "expected to have the same dtype"),
    "index_put": (lambda t: t(5, 4).index_put((t(2, dtype=I64),), t(2, 4, dtype=BF16)),
                  "Index put requires the source and destination dtypes match, got Float"),
    "an assignment": (lambda t: t(5, 4).clone().index_put_((t(2, dtype=I64),), t(2, 4, dtype=F16)), "dtypes match"),
    "index_select": (lambda t: t(5, 4).index_select(0, t(2)), "Expected dtype int32 or int64 for index"),
    "gather": (lambda t: t(5, 4).gather(0, t(2, 4)), "Expected dtype int32/int64 for index"),
    "scatter": (lambda t: t(5, 4).scatter(0, t(2, 4, dtype=I64), t(2, 4, dtype=BF16)),
        "Expected self.dtype to be equal"),
    "targets that are masks": (lambda t: F.cross_entropy(t(2, 5), t(2, dtype=BOOL)),
        "expected target dtype to be Long"),
    "add in place": (lambda t: t(4, dtype=I64).add_(t(4)), "result type Float can't be cast"),
    "multiply in place": (lambda t: t(4, dtype=I64).mul_(t(4)), "result type Float can't be cast"),
    "complex": (lambda t: torch.complex(t(4), t(4, dtype=F64)), "Expected object of scalar type Float"),
    "complex of bfloat16": (lambda t: torch.complex(*[t(4, dtype=BF16)] * 2), "Expected both inputs to be Half"),
    "masks multiplied": (lambda t: t(3, 4, dtype=BOOL) @ t(4, 3, dtype=BOOL), "not implemented for 'Bool'"),
    "softmax of integers": (lambda t: t(4, dtype=I64).softmax(0), "not implemented for 'Long'"),
    "gelu of integers": (lambda t: F.gelu(t(4, dtype=I32)), "not implemented for 'Int'"),
    "relu of masks": (lambda t: F.relu(t(4, dtype=BOOL)), "not "),
    "pooled masks": (lambda t: F.max_pool2d(t(1, 2, 4, 4, dtype=BOOL), 2), "not implemented for 'Bool'"),
    "interpolated integers": (lambda t: F.interpolate(t(1, 2, 4, 4, dtype=I64), scale_factor=2, mode="bilinear"),
                              "not implemented for 'Long'"),
    "floats as bits": (lambda t: t(4) & t(4), "not implemented for 'Float'"),
    "cholesky in half precision": (lambda t: torch.linalg.cholesky(t(3, 3, dtype=BF16)),
        "not implemented for 'BFloat16'"),
    "solve in half precision": (lambda t: torch.linalg.solve(t(3, 3, dtype=F16), t(3, dtype=F16)), "'Half'"),
    "a first state": (lambda t: t.module(nn.LSTM, 4, 5)(t(3, 2, 4), (t(1, 2, 5, dtype=F64),) * 2), ""),
}  # fmt: skip

SHAPES: dict[str, tuple[Call, str]] = {
    "linear": (lambda t: F.linear(t(2, 5), t(3, 4)), ""),
    "bmm": (lambda t: torch.bmm(t(2, 3, 4), t(3, 4, 3)), ""),
    "channels": (lambda t: F.conv2d(t(2, 5, 9, 9), t(6, 4, 3, 3)), "to have 4 channels, but got 5 channels instead"),
    "channels, 1D": (lambda t: F.conv1d(t(2, 5, 9), t(6, 4, 3)), "to have 4 channels, but got 5 channels instead"),
    "channels of a transposed one": (lambda t: F.conv_transpose2d(t(2, 5, 9, 9), t(4, 6, 3, 3)),
                                     "to have 4 channels, but got 5 channels instead"),
    "channels of a transposed one, 1D": (lambda t: F.conv_transpose1d(t(2, 5, 9), t(4, 6, 3)),
                                         "to have 4 channels, but got 5 channels instead"),
    "channels of a transposed one, 3D": (lambda t: F.conv_transpose3d(t(2, 5, 4, 4, 4), t(4, 6, 3, 3, 3)),
                                         "to have 4 channels, but got 5 channels instead"),
    "channels without a batch": (lambda t: F.conv_transpose2d(t(5, 9, 9), t(4, 6, 3, 3)), "to have 4 channels"),
    "nn.ConvTranspose2d": (lambda t: t.module(nn.ConvTranspose2d, 4, 6, 3)(t(2, 5, 9, 9)), "to have 4 channels"),
    "groups": (lambda t: F.conv2d(t(2, 4, 9, 9), t(5, 2, 3, 3), groups=2),
               "expected weight to be divisible by 2 at dimension 0"),
    "groups of a transposed one": (lambda t: F.conv_transpose2d(t(2, 5, 9, 9), t(5, 6, 3, 3), groups=2),
                                   "expected weight to be divisible by 2 at dimension 0"),
    "groups of channels": (lambda t: F.conv2d(t(2, 5, 9, 9), t(6, 2, 3, 3), groups=2), "channels"),
    "bias": (lambda t: F.conv2d(t(2, 4, 9, 9), t(6, 4, 3, 3), t(5)),
        "expected bias to be 1-dimensional with 6 elements"),
    "bias of a transposed one": (lambda t: F.conv_transpose2d(t(2, 4, 9, 9), t(4, 6, 3, 3), t(5)),
                                 "expected bias to be 1-dimensional with 6 elements"),
    "padding": (lambda t: F.conv2d(t(2, 4, 9, 9), t(6, 4, 3, 3), padding=-1), "negative padding is not supported"),
    "dilation": (lambda t: F.conv2d(t(2, 4, 9, 9), t(6, 4, 3, 3), dilation=0), "non-positive dilation"),
    "stride": (lambda t: F.conv_transpose2d(t(2, 4, 9, 9), t(4, 6, 3, 3), stride=0), "non-positive stride"),
    "widths": (lambda t: sdpa(t(2, 2, 5, 8), t(2, 2, 5, 16), t(2, 2, 5, 16)),
               "Expected size for first two dimensions of batch2 tensor to be: [4, 8] but got: [4, 16]"),
    "widths in half precision": (
        lambda t: sdpa(t(2, 2, 5, 8, dtype=BF16), *[t(2, 2, 5, 16, dtype=BF16)] * 2),
        "Expected size for first two dimensions of batch2 tensor to be: [4, 8] but got: [4, 16]"),
    "heads": (lambda t: sdpa(t(2, 4, 5, 8), t(2, 2, 5, 8), t(2, 2, 5, 8)), ""),
    "groups of heads": (lambda t: sdpa(t(2, 5, 5, 8), *[t(2, 2, 5, 8)] * 2, enable_gqa=True), ""),
    "mask": (lambda t: sdpa(t(2, 2, 5, 8), *[t(2, 2, 6, 8)] * 2, attn_mask=t(5, 5)), ""),
    "layer_norm": (lambda t: F.layer_norm(t(2, 5), (4,)), ""),
    "group_norm": (lambda t: F.group_norm(t(2, 5, 3), 2), "divisible by num_groups"),
    "nn.BatchNorm2d": (lambda t: t.module(nn.BatchNorm2d, 4)(t(2, 5, 3, 3)), ""),
    "nn.LSTM": (lambda t: t.module(nn.LSTM, 4, 5)(t(3, 2, 6)), ""),
    "experts": (lambda t: torch._grouped_mm(t(8, 16, dtype=BF16), t(3, 8, 16, dtype=BF16), ends(t, 2, 4, 8)),
                "contraction dimension of mat_a and mat_b must match"),
    "number of experts": (lambda t: torch._grouped_mm(t(8, 16, dtype=BF16), t(3, 16, 8, dtype=BF16), ends(t, 2, 8)),
                          "matrix batch sizes have to match"),
    "experts in another precision": (lambda t: torch._grouped_mm(t(8, 16, dtype=BF16), t(3, 16, 8), ends(t, 2, 4, 8)),
                                     "same dtype"),
    "index_select": (lambda t: t(5, 4).index_select(0, t(2, 2, dtype=I64)), "Index is supposed to be a vector"),
    "targets": (lambda t: F.cross_entropy(t(2, 5, 4, 4), t(2, 4, 3, dtype=I64)),
        "size mismatch (got input: [2, 5, 4, 4]"),
    "a dimension": (lambda t: t(2, 5).softmax(2), "Dimension out of range"),
    "samples": (lambda t: torch.multinomial(t(2, 5) + 1, 6), "cannot sample n_sample > prob_dist.size(-1)"),
    "cat": (lambda t: torch.cat([t(2, 5), t(2, 4)], 0), "Sizes of tensors must match except in dimension 0"),
    "view": (lambda t: t(2, 5).view(3, -1), "is invalid for input of size 10"),
    "pooling": (lambda t: F.max_pool2d(t(1, 2, 2, 2), 3), "Output size is too small"),
}  # fmt: skip


def ends(t: On, *rows: int) -> torch.Tensor:
    return torch.tensor(rows, dtype=I32, device=t.device)


WRONG = [
    *MIXED,
    *(pytest.param(call, words, id=f"{name}, dtype") for name, (call, words) in DTYPES.items()),
    *(
        pytest.param(
            call, words, id=f"{name}, shape", marks=needs("torch._grouped_mm" if "experts" in name else "torch")
        )
        for name, (call, words) in SHAPES.items()
    ),
]


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("train", [{}, {"mode": "train", "optimizer": "none"}], ids=["infer", "train"])
@pytest.mark.parametrize(("call", "words"), WRONG)
def test_what_a_cpu_refuses_is_the_models_error(call: Call, words: str, train: dict[str, Any]) -> None:
    """In the words of its kernels, wherever PyTorch's meta kernels have nothing to say."""
    with pytest.raises((RuntimeError, IndexError, ValueError, NotImplementedError)) as refused:
        call(On(torch.device("cpu")))
    assert words in str(refused.value) or not SAYS_SO
    of_the_model = words if words in str(refused.value) else "The model raised"
    with pytest.raises(ModelError, match=re.escape(of_the_model)):
        measure(Calls(lambda x: call(On(x.device))), inputs=[(2,)], **train)


# The nearest to the wrong ones that devices do run.
RIGHT: dict[str, Call] = {
    "layer_norm in half precision with full weights": lambda t: F.layer_norm(t(2, 4, dtype=BF16), (4,), t(4), t(4)),
    "group_norm in half precision with full weights": lambda t: F.group_norm(t(2, 4, 3, dtype=BF16), 2, t(4), t(4)),
    "batch_norm in half precision with full statistics": lambda t: F.batch_norm(t(2, 4, 3, dtype=BF16), t(4), t(4) + 1),
    "full mask in half precision": lambda t: sdpa(*[t(2, 2, 5, 8, dtype=BF16)] * 3, attn_mask=t(5, 5)),
    "mask of booleans": lambda t: sdpa(*[t(2, 2, 5, 8)] * 3, attn_mask=t(5, 5, dtype=BOOL)),
    "values of another width": lambda t: sdpa(t(2, 2, 5, 8), t(2, 2, 6, 8), t(2, 2, 6, 12)),
    "shared keys": lambda t: sdpa(t(2, 4, 5, 8), *[t(2, 2, 5, 8)] * 2, enable_gqa=True),
    "ids of 32 bits": lambda t: F.embedding(t(2, 3, dtype=I32), t(9, 8)),
    "indices of 32 bits": lambda t: t(5, 4).index_select(0, t(2, dtype=I32)),
    "an integer added to floats": lambda t: t(4).add_(t(4, dtype=I64)),
    "a float added to halves": lambda t: t(4, dtype=BF16).add_(t(4)),
    "a number multiplied": lambda t: t(4, dtype=I64).mul_(2),
    "bytes interpolated": lambda t: F.interpolate(t(1, 2, 4, 4, dtype=torch.uint8), scale_factor=2, mode="bilinear"),
    "integers pooled": lambda t: F.max_pool2d(t(1, 2, 4, 4, dtype=I64), 2),
    "integers multiplied": lambda t: t(3, 4, dtype=I64) @ t(4, 3, dtype=I64),
    "complex multiplied": lambda t: t(3, 4, dtype=C64) @ t(4, 3, dtype=C64),
    "complex convolved": lambda t: F.conv2d(t(1, 2, 5, 5, dtype=C64), t(3, 2, 3, 3, dtype=C64)),
    "softmax of integers as floats": lambda t: t(4, dtype=I64).softmax(0, dtype=F32),
    "softmax of a number": lambda t: t().softmax(0),
    "groups": lambda t: F.conv2d(t(2, 4, 9, 9), t(6, 2, 3, 3), t(6), groups=2, padding=1, stride=2, dilation=2),
    "groups of a transposed one": lambda t: F.conv_transpose2d(t(2, 4, 9, 9), t(4, 3, 3, 3), t(6), groups=2),
    "same padding": lambda t: F.conv2d(t(2, 4, 9, 9), t(6, 4, 3, 3), padding="same"),
    "without a batch": lambda t: F.conv_transpose2d(t(4, 9, 9), t(4, 6, 3, 3)),
    "targets of an image": lambda t: F.cross_entropy(t(2, 5, 4, 4), t(2, 4, 4, dtype=I64)),
    "targets as probabilities": lambda t: F.cross_entropy(t(2, 5), t(2, 5)),
    "a mask set": lambda t: t(5, 4).masked_fill(t(5, 4, dtype=BOOL), 0.0),
    "relu of integers": lambda t: F.relu(t(4, dtype=I64)),
    "bits": lambda t: t(4, dtype=BOOL) & t(4, dtype=I64),
    "samples again and again": lambda t: torch.multinomial(t(2, 5) + 1, 6, replacement=True),
    "a step of an LSTM": lambda t: t.module(nn.LSTM, 4, 5)(t(3, 2, 4), (t(1, 2, 5), t(1, 2, 5))),
}


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("call", RIGHT.values(), ids=RIGHT)
def test_what_a_cpu_runs_is_not_refused(call: Call, grad: bool) -> None:
    call(On(torch.device("cpu")))
    attempt(Calls(lambda x: call(On(x.device))), real=False, grad=grad, inputs=[(2,)])


ATEN = torch.ops.aten
# The plainest of calls, of a matrix (2, 2) where nothing else is said.
PLAINEST: dict[str, Call] = {
    "max_pool2d_with_indices": lambda x: ATEN.max_pool2d_with_indices(x[None, None], [2, 2]),
    "avg_pool2d": lambda x: ATEN.avg_pool2d(x[None, None], [2, 2]),
    "_adaptive_avg_pool2d": lambda x: ATEN._adaptive_avg_pool2d(x[None, None], [1, 1]),
    "upsample_bilinear2d": lambda x: ATEN.upsample_bilinear2d(x[None, None], [4, 4], False),
    "upsample_bicubic2d": lambda x: ATEN.upsample_bicubic2d(x[None, None], [4, 4], False),
    "clamp": lambda x: ATEN.clamp(x, 0, 1),
    "clamp_min": lambda x: ATEN.clamp_min(x, 0),
    "clamp_max": lambda x: ATEN.clamp_max(x, 1),
    "topk": lambda x: ATEN.topk(x, 1),
    "_fft_r2c": lambda x: ATEN._fft_r2c(x, [1], 0, True),
    "linalg_solve_triangular": lambda x: ATEN.linalg_solve_triangular(x, x, upper=True),
    "linalg_householder_product": lambda x: ATEN.linalg_householder_product(x, x[0]),
    "ormqr": lambda x: ATEN.ormqr(x, x[0], x),
}
OF_TWO = ["atan2", "mse_loss", "huber_loss", "bitwise_and", "bitwise_or", "bitwise_xor", "_linalg_solve_ex"]
MISSING = [
    (name, dtype) for names, dtypes in checks._MISSING for name in names.split() for dtype in sorted(dtypes, key=str)
]


@pytest.mark.parametrize(("name", "dtype"), MISSING)
def test_no_kernel_is_said_to_be_missing_that_a_cpu_has(name: str, dtype: torch.dtype) -> None:
    """For each operator and dtype that the table lists."""
    matrix = torch.zeros(2, 2, dtype=dtype)
    call = PLAINEST.get(name, getattr(ATEN, name))
    with pytest.raises((RuntimeError, NotImplementedError, TypeError, ValueError)):
        call(*[matrix] * (2 if name in OF_TWO else 1))


# A call of each check with operands of two dtypes, of n rows.
OF_TWO_DTYPES: dict[str, Callable[[Any, torch.dtype, torch.dtype, int], Any]] = {
    "mm": lambda t, a, b, n: t(n, 4, dtype=a) @ t(4, 3, dtype=b),
    "addmm": lambda t, a, b, n: torch.addmm(t(3, dtype=a), t(n, 4, dtype=a), t(4, 3, dtype=b)),
    "addmm, sum": lambda t, a, b, n: torch.addmm(t(3, dtype=a), t(n, 4, dtype=b), t(4, 3, dtype=b)),
    "mv": lambda t, a, b, n: torch.mv(t(n, 4, dtype=a), t(4, dtype=b)),
    "conv": lambda t, a, b, n: F.conv1d(t(n, 4, 5, dtype=a), t(2, 4, 3, dtype=b)),
    "conv_transpose": lambda t, a, b, n: F.conv_transpose1d(t(n, 4, 5, dtype=a), t(4, 2, 3, dtype=b)),
    "attention": lambda t, a, b, n: sdpa(t(n, 2, 5, 8, dtype=a), *[t(n, 2, 5, 8, dtype=b)] * 2),
    "attention mask": lambda t, a, b, n: sdpa(*[t(n, 2, 5, 8, dtype=a)] * 3, attn_mask=t(5, 5, dtype=b)),
    "layer_norm": lambda t, a, b, n: F.layer_norm(t(n, 4, dtype=a), (4,), t(4, dtype=b), t(4, dtype=b)),
    "group_norm": lambda t, a, b, n: F.group_norm(t(n, 4, 3, dtype=a), 2, t(4, dtype=b), t(4, dtype=b)),
    "batch_norm": lambda t, a, b, n: F.batch_norm(t(n, 4, 3, dtype=a), t(4, dtype=b), t(4, dtype=b)),
    "grid_sample": lambda t, a, b, n: F.grid_sample(t(n, 2, 4, 4, dtype=a), t(n, 3, 3, 2, dtype=b)),
    "cdist": lambda t, a, b, n: torch.cdist(t(n, 4, dtype=a), t(3, 4, dtype=b), p=1.0),
    "binary_cross_entropy": lambda t, a, b, n: F.binary_cross_entropy(t(n, dtype=a), t(n, dtype=b)),
    "index_add": lambda t, a, b, n: t(5, 4, dtype=a).index_add(0, t(n, dtype=I64), t(n, 4, dtype=b)),
    "index of index_add": lambda t, a, b, n: t(5, 4, dtype=a).index_add(0, t(n, dtype=b), t(n, 4, dtype=a)),
    "index_copy": lambda t, a, b, n: t(5, 4, dtype=a).index_copy(0, t(n, dtype=I64), t(n, 4, dtype=b)),
    "index_select": lambda t, a, b, n: t(5, 4, dtype=a).index_select(0, t(n, dtype=b)),
    "index_put": lambda t, a, b, n: t(5, 4, dtype=a).index_put((t(n, dtype=I64),), t(n, 4, dtype=b)),
    "bag": lambda t, a, b, n: F.embedding_bag(t(n, 3, dtype=I64), t(9, 8, dtype=a), mode="sum",
                                              per_sample_weights=t(n, 3, dtype=b)),
    "targets": lambda t, a, b, n: F.nll_loss(t(n, 5, dtype=a), t(n, dtype=b)),
    "complex": lambda t, a, b, n: torch.complex(t(n, dtype=a), t(n, dtype=b)),
    "add_": lambda t, a, b, n: t(n, dtype=a).add_(t(n, dtype=b)),
    "sub_": lambda t, a, b, n: t(n, dtype=a).sub_(t(n, dtype=b)),
    "mul_": lambda t, a, b, n: t(n, dtype=a).mul_(t(n, dtype=b)),
    "div_": lambda t, a, b, n: t(n, dtype=a).div_(t(n, dtype=b)),
    "softmax": lambda t, a, b, n: t(n, 4, dtype=a).softmax(-1, dtype=b),
    "log_softmax": lambda t, a, b, n: t(n, 4, dtype=a).log_softmax(-1),
    "experts": lambda t, a, b, n: torch._grouped_mm(t(8, 16, dtype=a), t(2, 16, 8, dtype=b), ends(t, n, 8)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, id=name, marks=needs("torch._grouped_mm" if name == "experts" else "torch"))
        for name, call in OF_TWO_DTYPES.items()
    ],
)
def test_whatever_is_refused_for_its_dtypes_a_cpu_refuses(call: Any) -> None:
    """All pairs, with rows to compute and without: what PyTorch accepts on meta and a check refuses."""
    pairs = itertools.product(checks._NAMES, checks._NAMES, (0, 2))
    assert [given for given in pairs if wrongly_refused(call, *given)] == []


def wrongly_refused(call: Any, *given: Any) -> bool:
    if raises(lambda: call(On(torch.device("meta")), *given)):
        return False
    model = Calls(lambda x: call(On(x.device), *given))
    refused = raises(lambda: attempt(model, real=False, grad=False, inputs=[(2,)]))
    return refused and not raises(lambda: call(On(torch.device("cpu")), *given))


def raises(function: Callable[[], Any]) -> bool:
    try:
        function()
    except Exception:  # noqa: BLE001 # whatever it is
        return True
    return False


def test_a_budget_of_a_model_that_cannot_run_names_its_line() -> None:
    """The same through the front door: no attempt turns it into a number, and no real run is needed to tell."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3, dtype=BF16)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(x.float())

    for mode in ({}, {"mode": "train", "optimizer": "none"}):
        with pytest.raises(ModelError, match=r"(?s)same dtype.*return self.head\(x.float\(\)\)"):
            measure(Mixed(), inputs=(2, 4), **mode)


def test_a_large_model_that_cannot_run_needs_no_real_run_to_tell() -> None:
    """A weight of 5 GB in the wrong precision: nothing is allocated to find out."""

    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(50_000, 50_000, dtype=BF16)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(x.float())

    with pytest.raises(ModelError, match="same dtype"):
        measure(Wide, inputs=(64, 50_000))


def test_autocast_makes_one_precision_of_two() -> None:
    """What is refused without it runs with it, as it does on a device."""
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Conv1d(4, 4, 1))
    cost = measure(lambda: _Casts(model), inputs=(2, 4, 4), amp="bf16", dtype=None)
    assert cost.macs == 2 * 4 * 4 * 4 * 2


class _Casts(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> Any:
        return self.model(x.double().float().half())
