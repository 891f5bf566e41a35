"""What the output rules and the cache return for an operator on meta is what PyTorch returns there."""

from __future__ import annotations

import inspect

import pytest
import timm
import torch
import torch.nn.functional as F
import transformers
from counting.against_pytorch import MEMORY_FORMATS, checked_against_pytorch, departs, described
from hypothesis import given, settings
from hypothesis import strategies as st
from one_attempt import attempt
from torch import nn
from torchvision import models

from pytest_modelbudget import measure
from pytest_modelbudget.counting.meta import cache
from pytest_modelbudget.counting.meta.execution import MetaExecution
from pytest_modelbudget.counting.meta.output_rules.registry import OUTPUT_RULES

aten = torch.ops.aten


class Mixed(nn.Module):
    """Attention, recurrence, interpolation and in-place arithmetic in one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.lstm = nn.LSTM(16, 8, batch_first=True, bidirectional=True)

    def forward(self, x):
        x = F.relu_(self.conv(F.interpolate(x, scale_factor=2, mode="bilinear")))
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, tokens, tokens)[0]
        return self.lstm(tokens)[0].softmax(-1).mul_(2)


TORCHVISION = [
    models.resnet18, models.mobilenet_v3_small, models.efficientnet_b0, models.densenet121, models.shufflenet_v2_x0_5,
    models.googlenet, models.convnext_tiny, models.vit_b_32, models.swin_t, models.swin_v2_t, models.maxvit_t,
    models.regnet_y_400mf, Mixed,
]  # fmt: skip


@pytest.mark.parametrize("factory", TORCHVISION, ids=lambda f: f.__name__)
@pytest.mark.parametrize("grad", [False, True], ids=["inference", "autograd"])
def test_over_whole_models_every_output_is_pytorchs(factory, grad):
    cache.clear()
    res = 16 if factory is Mixed else 224  # PyTorch runs the steps of a recurrent layer one by one
    with checked_against_pytorch() as compared:
        attempt(factory, real=False, grad=grad, batch=2, res=res)
        attempt(factory, real=False, grad=grad, batch=2, res=res)  # now from the cache
    assert compared.total() > 30


@pytest.mark.parametrize("factory", TORCHVISION[:8], ids=lambda f: f.__name__)
def test_in_channels_last(factory):
    image = torch.empty(2, 3, 224, 224, device="meta").to(memory_format=torch.channels_last)
    cache.clear()
    with checked_against_pytorch() as compared:
        measure(factory().to(memory_format=torch.channels_last), inputs=image)
    assert compared.total() > (60 if MEMORY_FORMATS else 40)  # with its convolutions, or without


@pytest.mark.parametrize(
    "name",
    ["mixer_s32_224", "coat_lite_tiny", "xcit_nano_12_p16_224", "volo_d1_224", "hrnet_w18_small", "nfnet_f0",
     "cait_xxs24_224", "convit_tiny", "levit_128s", "mobilevit_xxs", "davit_tiny", "eva02_tiny_patch14_224"],
)  # fmt: skip
def test_over_families_of_timm(name):
    size = timm.models.get_pretrained_cfg(name).input_size[1]
    cache.clear()
    with checked_against_pytorch() as compared:
        measure(lambda: timm.create_model(name), batch=1, res=size)
    assert compared.total() > 100


def small(kind, config, **options):
    return lambda: kind(config(**options))


TRANSFORMERS = {
    "bert": small(transformers.BertModel, transformers.BertConfig, num_hidden_layers=2),
    "gpt2": small(transformers.GPT2LMHeadModel, transformers.GPT2Config, n_layer=2),
    "llama": small(transformers.LlamaForCausalLM, transformers.LlamaConfig, num_hidden_layers=2, num_key_value_heads=8),
    "t5": small(transformers.T5EncoderModel, transformers.T5Config, num_layers=2),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("dtype", [None, "bf16"])
@pytest.mark.parametrize("grad", [False, True], ids=["inference", "autograd"])
def test_over_transformers(name, dtype, grad):
    cache.clear()
    with checked_against_pytorch() as compared:
        attempt(TRANSFORMERS[name], real=False, grad=grad, batch=2, seq=16, dtype=dtype)
    assert compared.total() > 60


class _Product(nn.Module):
    """A product of two stacks, each laid out in memory in an order of its own, and held while another is made."""

    def __init__(self, one, other):
        super().__init__()
        self.orders = one, other

    def forward(self, x):
        one, other = (
            x.permute(*order).contiguous().permute(*(order.index(d) for d in range(x.dim()))) for order in self.orders
        )
        return one @ other.transpose(-1, -2)


_ORDERS = st.integers(2, 4).flatmap(
    lambda rank: st.tuples(
        st.lists(st.integers(1, 3), min_size=rank, max_size=rank),
        st.permutations(range(rank)),
        st.permutations(range(rank)),
    )
)


def _by_parts_and_by_rule(model, **given):
    """One count in which no rule says what an operator has alive beside its output, and one by rules."""
    with checked_against_pytorch():
        by_parts = measure(model, **given)
    cache.clear()
    return by_parts, measure(model, **given)


@given(_ORDERS)
@settings(max_examples=60)
def test_a_product_has_the_copies_alive_that_its_parts_make(case):
    size, one, other = case
    cache.clear()
    by_parts, by_rule = _by_parts_and_by_rule(_Product(one, other), inputs=torch.zeros(size))
    assert (by_rule.peak, by_rule.macs) == (by_parts.peak, by_parts.macs)


class _Ordered(nn.Module):
    """A layer given its input in an order of its own in memory."""

    def __init__(self, layer, order):
        super().__init__()
        self.layer = layer
        self.order = order

    def forward(self, x):
        back = [self.order.index(d) for d in range(x.dim())]
        return self.layer(x.permute(*self.order).contiguous().permute(*back))


@given(_ORDERS, st.integers(1, 3), st.sampled_from([None, "bf16", "fp64"]))
@settings(max_examples=60)
def test_layer_norm_has_a_mean_and_a_deviation_alive_as_its_parts_do(case, normalized, dtype):
    size, order, _ = case
    model = _Ordered(nn.LayerNorm(size[-normalized:]), order)
    cache.clear()
    by_parts, by_rule = _by_parts_and_by_rule(model, inputs=torch.zeros(size), dtype=dtype)
    assert by_rule == by_parts


def test_the_memory_of_layer_norm():
    cost = measure(nn.LayerNorm(8), inputs=torch.zeros(2, 3, 8))
    assert cost.memory == cost.weights + 4 * (48 + 48 + 6 + 6)  # input, output, a mean and a deviation for each row


def test_through_a_backward_pass():
    """The rules for gradients: nothing in an inference needs them, so that they are called here by autograd."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(2), nn.Linear(36, 16), nn.LayerNorm(16), nn.GELU(),
        nn.Linear(16, 16), nn.SiLU(), nn.Softmax(-1), nn.Sigmoid(), nn.Tanh(), nn.Hardswish(), nn.LeakyReLU(),
    )  # fmt: skip

    class Differentiates(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return torch.autograd.grad(self.model(x).mean(), list(self.model.parameters()))

    cache.clear()
    with checked_against_pytorch() as compared:
        attempt(Differentiates(), real=False, grad=True, batch=4, res=8)
    gradients = {name.removeprefix("aten.").removesuffix(".default") for name in compared if "backward" in name}
    assert gradients >= {
        "threshold_backward", "gelu_backward", "silu_backward", "_softmax_backward_data", "sigmoid_backward",
        "tanh_backward", "hardswish_backward", "leaky_relu_backward", "native_layer_norm_backward",
        "native_batch_norm_backward", "convolution_backward",
    }  # fmt: skip


def test_a_wrong_output_is_found(monkeypatch):
    monkeypatch.setitem(OUTPUT_RULES, aten.relu.default, lambda self: self)
    monkeypatch.setitem(OUTPUT_RULES, aten.linear.default, lambda x, *rest: x.new_empty(x.shape))
    with pytest.raises(AssertionError) as error, checked_against_pytorch():
        measure(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), inputs=(2, 3))
    assert "aten.relu.default" in str(error.value)
    assert "aten.linear.default" in str(error.value)


def test_a_wrong_memory_is_found(monkeypatch):
    cache.clear()
    model = nn.MaxPool2d(2)
    measure(model, batch=1, res=8)
    wrong = cache.CachedOutputs((((7,), (1,), torch.float32),))
    for key in [key for key in cache._CACHE if key[0] is aten.max_pool2d.default]:
        monkeypatch.setitem(cache._CACHE, key, wrong)
    with pytest.raises(AssertionError, match="max_pool2d"), checked_against_pytorch():
        measure(model, batch=1, res=8)


@pytest.mark.parametrize("operator", OUTPUT_RULES, ids=str)
def test_a_rule_takes_every_argument_of_its_operator(operator):
    if not isinstance(operator, torch._ops.OpOverload):  # it takes functions: its signature is Python's
        names = list(inspect.signature(operator).parameters)
        inspect.signature(OUTPUT_RULES[operator]).bind(*names)
        return
    arguments = operator._schema.arguments
    positional = [a.name for a in arguments if not a.kwarg_only]
    inspect.signature(OUTPUT_RULES[operator]).bind(*positional, **{a.name: None for a in arguments if a.kwarg_only})
    required = [a.name for a in arguments if not a.has_default_value()]
    inspect.signature(OUTPUT_RULES[operator]).bind(*required)


# One operator at a time, on whatever it may be given.

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int32, torch.bool, torch.complex64]
SIDE = st.integers(0, 4)


@st.composite
def layouts(draw, size):
    """A meta tensor of that size: contiguous, permuted in memory, every second element, expanded, channels-last."""
    dtype = draw(st.sampled_from(DTYPES[:1] * 5 + DTYPES))
    how = draw(st.sampled_from(["plain"] * 4 + ["permuted", "strided", "expanded", "channels last", "offset"]))
    tensor = torch.empty(size, dtype=dtype, device="meta")
    if how == "permuted" and size:
        order = draw(st.permutations(range(len(size))))
        tensor = torch.empty([size[i] for i in order], dtype=dtype, device="meta")
        return tensor.permute([order.index(i) for i in range(len(size))])
    if how == "strided" and size:
        return torch.empty((*size[:-1], size[-1] * 2), dtype=dtype, device="meta")[..., ::2]
    if how == "expanded" and size:
        return torch.empty((1, *size[1:]), dtype=dtype, device="meta").expand(size)
    if how == "offset" and size:
        return torch.empty((size[0] + 1, *size[1:]), dtype=dtype, device="meta")[1:]
    if how == "channels last" and len(size) == 4:
        return tensor.to(memory_format=torch.channels_last)
    return tensor


@st.composite
def tensors(draw, least=0, most=4):
    return draw(layouts(tuple(draw(st.lists(SIDE, min_size=least, max_size=most)))))


@st.composite
def pairs(draw):
    """Two tensors that fit together, or nearly; or a tensor and a number."""
    size = tuple(draw(st.lists(SIDE, max_size=4)))
    if draw(st.booleans()):
        return draw(layouts(size)), draw(st.sampled_from([2, 2.0, True, 0, -1.5, 2j]))
    other = tuple(draw(st.sampled_from([n, n, n, 1])) for n in size[draw(st.integers(0, len(size))) :])
    both = [draw(layouts(size)), draw(layouts(other))]
    return tuple(both if draw(st.booleans()) else both[::-1])


def on_cpu(value):
    """The same of zeros on the CPU."""
    if not isinstance(value, torch.Tensor):
        return [on_cpu(item) for item in value] if isinstance(value, list) else value
    return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype).zero_()


def same_as_pytorch(operator, args, kwargs=None):
    """Run both ways, from the rule or from memory; an error is PyTorch's own, or that of a CPU's kernels."""
    kwargs = kwargs or {}
    execution = MetaExecution()

    def ours():
        return described(execution.run(operator, args, kwargs), args)

    def outcome(run):
        try:
            return run()
        except (RuntimeError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
            return type(error)

    with torch.inference_mode():
        theirs = outcome(lambda: described(operator(*args, **kwargs), args))
        first, again = outcome(ours), outcome(ours)
    if departs(operator, args) and not isinstance(theirs, type) and not isinstance(first, type):
        theirs, first, again = theirs[:1], first[:1], again[:1]
    if isinstance(theirs, type):
        assert isinstance(first, type), (
            operator,
            [(t.shape, t.stride(), t.dtype) for t in args if hasattr(t, "shape")],
        )
    elif isinstance(first, type):
        assert isinstance(outcome(lambda: operator(*map(on_cpu, args), **kwargs)), type), "a CPU runs it"
    else:
        assert first == theirs
        assert again == theirs


def same_as_on_cpu(operator, args):
    """Run both ways, where PyTorch departs on meta from what the CPU returns."""
    real = list(args)
    for i, arg in enumerate(args):
        if isinstance(arg, torch.Tensor):
            span = sum((n - 1) * step for n, step in zip(arg.shape, arg.stride(), strict=True)) + 1
            real[i] = torch.zeros(span, dtype=arg.dtype).as_strided(arg.shape, arg.stride())
    execution = MetaExecution()
    with torch.inference_mode():
        try:
            theirs = operator(*real)
        except RuntimeError:
            return  # such dtypes do not go together
        for _ in range(2):
            ours = execution.run(operator, args, {})
            pairs = zip(*((out,) if isinstance(out, torch.Tensor) else out for out in (ours, theirs)), strict=True)
            for one, other in pairs:
                assert (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)


UNARY = [
    operator
    for operator, rule in OUTPUT_RULES.items()
    if rule.__name__ in ("_unary", "_unary_in_place") and operator is not aten.leaky_relu_.default
]
BINARY = [
    operator
    for operator, rule in OUTPUT_RULES.items()
    if rule.__name__ in ("_arithmetic", "_fractional", "_comparison", "_arithmetic_in_place")
]
MANY = settings(max_examples=60)


@MANY
@given(st.sampled_from(UNARY), tensors())
def test_functions_of_one_tensor(operator, tensor):
    same_as_pytorch(operator, (tensor,))


@MANY
@given(st.sampled_from(BINARY), pairs())
def test_functions_of_two(operator, pair):
    if operator._overloadname.endswith("Scalar") == isinstance(pair[1], torch.Tensor):
        return
    same_as_pytorch(operator, pair)


@MANY
@given(st.sampled_from([aten.add.Tensor, aten.sub.Tensor, aten.add_.Tensor]), pairs(), st.sampled_from([2, 0.5, True]))
def test_alpha(operator, pair, alpha):
    if isinstance(pair[1], torch.Tensor):
        same_as_pytorch(operator, pair, {"alpha": alpha})


@MANY
@given(
    st.sampled_from([aten.mean.dim, aten.sum.dim_IntList]), tensors(), st.lists(st.integers(-4, 3), max_size=3),
    st.booleans(),
)  # fmt: skip
def test_reductions(operator, tensor, dims, keep):
    same_as_pytorch(operator, (tensor, dims, keep))


@MANY
@given(st.sampled_from([aten.softmax.int, aten.log_softmax.int]), tensors(), st.integers(-4, 3))
def test_softmax(operator, tensor, dim):
    same_as_pytorch(operator, (tensor, dim))


@MANY
@given(st.data())
def test_products(data):
    operator = data.draw(st.sampled_from([aten.matmul.default, aten.mm.default, aten.bmm.default, aten.linear.default]))
    stack = data.draw(st.lists(SIDE, max_size=2))
    m, k, n = data.draw(SIDE), data.draw(SIDE), data.draw(SIDE)
    one = data.draw(layouts((*stack, m, k)))
    plain = data.draw(st.booleans())
    other = (n, k) if operator is aten.linear.default else (k, n) if plain else (*stack, k, n)
    args = (one, data.draw(layouts(other)))
    if operator is aten.linear.default and data.draw(st.booleans()):
        args = (*args, data.draw(layouts((n,))))
    same_as_pytorch(operator, args)


@MANY
@given(st.data())
def test_addmm(data):
    m, k, n = data.draw(SIDE), data.draw(SIDE), data.draw(SIDE)
    bias = data.draw(st.sampled_from([(n,), (m, n), (1, n), (1,), ()]))
    same_as_pytorch(aten.addmm.default, tuple(data.draw(layouts(size)) for size in (bias, (m, k), (k, n))))


@MANY
@given(st.data())
def test_convolutions(data):
    rank = data.draw(st.integers(1, 3))
    operator = (aten.conv1d.default, aten.conv2d.default, aten.conv3d.default)[rank - 1]
    groups = data.draw(st.integers(1, 2))
    inside, outside = data.draw(st.integers(1, 2)) * groups, data.draw(st.integers(1, 2)) * groups
    sides = data.draw(st.lists(st.integers(1, 6), min_size=rank, max_size=rank))
    image = data.draw(layouts((data.draw(SIDE), inside, *sides)))
    kernel = data.draw(layouts((outside, inside // groups, *(data.draw(st.integers(1, 3)) for _ in sides))))
    bias = data.draw(st.one_of(st.none(), layouts((outside,))))
    numbers = [data.draw(st.lists(st.integers(least, 2), min_size=rank, max_size=rank)) for least in (1, 0, 1)]
    same_as_pytorch(operator, (image, kernel, bias, *numbers, groups))


@MANY
@given(st.data())
def test_norms(data):
    size = tuple(data.draw(st.lists(SIDE, min_size=2, max_size=4)))
    image = data.draw(layouts(size))
    channels = [data.draw(st.one_of(st.none(), layouts((size[1],)))) for _ in range(2)]
    features = size[data.draw(st.integers(1, len(size) - 1)) :]
    rows = [data.draw(st.one_of(st.none(), layouts(features))) for _ in range(2)]
    if not MEMORY_FORMATS:  # on meta, the result would have the strides of a bias where a dimension has one element
        rows = [row if row is None else torch.empty(features, dtype=row.dtype, device="meta") for row in rows]
    statistics = [torch.empty(size[1], device="meta") for _ in range(2)]
    training = data.draw(st.booleans())
    known = [image, *(tensor for tensor in channels if tensor is not None)]
    has_rule = 0 not in size and image.is_floating_point() and (not training or image.numel() > size[1])
    fits = {t.dtype for t in known} == {image.dtype} or image.dtype in (torch.float16, torch.bfloat16)
    same = same_as_on_cpu if has_rule and fits else same_as_pytorch
    whole = same_as_pytorch if training else same  # in training it is native_batch_norm that has a rule
    whole(aten.batch_norm.default, (image, *channels, *statistics, training, 0.1, 1e-5, False))
    same(aten.native_batch_norm.default, (image, *channels, *statistics, training, 0.1, 1e-5))
    same_as_pytorch(aten.layer_norm.default, (image, list(features), *rows, 1e-5))
    same_as_pytorch(aten.native_layer_norm.default, (image, list(features), *rows, 1e-5))
    same_as_pytorch(aten.group_norm.default, (image, data.draw(st.integers(1, 2)), *channels, 1e-5))


@MANY
@given(st.data())
def test_pooling_to_a_size(data):
    size = tuple(data.draw(st.lists(SIDE, min_size=3, max_size=4)))
    output = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    same_as_pytorch(aten.adaptive_avg_pool2d.default, (data.draw(layouts(size)), output))


@MANY
@given(st.data())
def test_attention(data):
    few = st.integers(1, 3)
    n, h, queries, keys, e, v = (data.draw(few) for _ in range(6))
    sizes = ((n, h, queries, e), (n, h, keys, e), (n, h, keys, v))
    args = [data.draw(layouts(size)) for size in sizes]
    causal = data.draw(st.booleans())
    same_as_pytorch(aten.scaled_dot_product_attention.default, (*args, None, 0.0, causal))


@MANY
@given(st.data())
def test_joins(data):
    size = data.draw(st.lists(SIDE, max_size=4))
    dim = data.draw(st.integers(-4, 3))
    parts = []
    for _ in range(data.draw(st.integers(1, 3))):
        own = list(size)
        if own and -len(own) <= dim < len(own):
            own[dim] = data.draw(SIDE)
        parts.append(data.draw(layouts(tuple(own))))
    same_as_pytorch(aten.cat.default, (parts, dim))


@MANY
@given(st.data())
def test_choices(data):
    one, other = data.draw(pairs())
    if not isinstance(other, torch.Tensor):
        mask = data.draw(layouts(one.shape)).to(torch.bool)
        same_as_pytorch(aten.masked_fill.Scalar, (one, mask, other))
        return
    condition = data.draw(st.sampled_from([one, other, torch.empty((), device="meta")])).to(torch.bool)
    same_as_pytorch(aten.where.self, (condition, one, other))


@MANY
@given(st.data())
def test_what_may_give_its_argument_back(data):
    tensor = data.draw(tensors())
    same_as_pytorch(aten.dropout.default, (tensor, 0.5, data.draw(st.booleans())))
    same_as_pytorch(aten.contiguous.default, (tensor,))
    same_as_pytorch(aten.reshape.default, (tensor, [-1]))
    if tensor.dim():
        same_as_pytorch(aten.roll.default, (tensor, [1], [data.draw(st.integers(-4, 3))]))


GRADIENTS = [
    aten.gelu_backward.default, aten.silu_backward.default, aten.sigmoid_backward.default, aten.tanh_backward.default,
    aten.hardswish_backward.default, aten.hardsigmoid_backward.default,
]  # fmt: skip


@MANY
@given(st.sampled_from(GRADIENTS), st.data())
def test_gradients(operator, data):
    size = tuple(data.draw(st.lists(SIDE, max_size=4)))
    pair = (data.draw(layouts(size)), data.draw(layouts(size)))
    same_as_pytorch(operator, pair)
    same_as_pytorch(aten.threshold_backward.default, (*pair, 0))
    same_as_pytorch(aten._softmax_backward_data.default, (*pair, -1, pair[0].dtype))
