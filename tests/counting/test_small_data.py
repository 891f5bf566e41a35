"""Small values that a model makes, keeps or is given, and reads: they are known on the meta device too."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pytest_modelbudget import measure


class Net(nn.Module):
    """A layer, and ``function`` as its forward."""

    def __init__(self, function, layer=None):
        super().__init__()
        self.layer = layer if layer is not None else nn.Linear(8, 4)
        self.function = function

    def forward(self, *inputs):
        return self.function(self, *inputs)


CONSTANTS = {
    "cat": (lambda net, x: net.layer(torch.cat([torch.tensor([[1.0] * 8]), x])), 3 * 32),
    "stack": (lambda net, x: net.layer(torch.stack([x[0], torch.arange(8.0), torch.tensor([2.0] * 8)])), 3 * 32),
    "cat in a tuple": (lambda net, x: net.layer(torch.cat((x, torch.linspace(0, 1, 16).view(2, 8)))), 4 * 32),
    "einsum": (lambda net, x: net.layer(torch.einsum("ij,j->ij", x, torch.arange(8.0))), 2 * 32),
    "block_diag": (lambda net, x: net.layer(torch.block_diag(torch.tensor([[1.0, 2.0]]), x[:, :6])), 3 * 32),
}


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("case", CONSTANTS)
def test_constants_beside_meta_tensors_in_a_list(case, mode):
    """In training, the gradient of the weight is one product more; no input has a gradient."""
    function, macs = CONSTANTS[case]
    cost = measure(Net(function), inputs=(2, 8), mode=mode, optimizer="none" if mode == "train" else None)
    assert (cost.macs, cost.executed, cost.notes) == (macs * (2 if mode == "train" else 1), "meta", ())


class Strides(nn.Module):
    """Keeps what it reads as a plain attribute, in a list, or as a buffer of integers."""

    def __init__(self, how):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, padding=1)
        values = torch.tensor([2.0, 4.0])
        self.how = how
        if how == "buffer":
            self.register_buffer("stride", values.long())
        else:
            self.stride = [values] if how == "list" else values

    def forward(self, x):
        stride = self.stride[0][0] if self.how == "list" else self.stride[0]
        return self.layer(x[..., :: int(stride)])


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("how", ["attribute", "list", "buffer"])
def test_small_tensors_that_a_module_keeps(how, built):
    """A 3x3 convolution of 3 channels to 4, on 16 x 8 pixels: every second column is taken."""
    model = Strides(how)
    cost = measure(model if built else lambda: Strides(how), res=16)
    assert (cost.macs, cost.executed) == (27 * 4 * 16 * 8, "meta")
    kept = model.stride[0] if how == "list" else model.stride
    assert kept.tolist() == [2, 4]


def test_what_forward_does_to_a_kept_tensor_is_undone():
    class Halves(Strides):
        def forward(self, x):
            self.stride /= 2
            return super().forward(x)

    model = Halves("attribute")
    for _ in range(2):
        assert measure(model, res=16).macs == 27 * 4 * 16 * 16
    assert model.stride.tolist() == [2, 4]


def parts(net, x, lengths):
    return [net.layer(part) for part in torch.split(x, lengths.tolist())]


def blocks(net, x, lengths):
    return [net.layer(x[i] if n else x) for i, n in enumerate(lengths.tolist())]


@pytest.mark.parametrize(("function", "rows"), [(parts, 5), (blocks, 1 + 5)])
def test_lists_of_lengths(function, rows):
    """``[2, 0]`` rows and the rest, or row 0 and all rows."""
    lengths = torch.tensor([2, 3]) if function is parts else torch.tensor([2, 0])
    cost = measure(Net(function), inputs=(torch.zeros(5, 8), lengths))
    assert (cost.macs, cost.executed) == (rows * 32, "meta")


def aggregate(net, x, edges):
    """A graph layer: features of sources, summed at targets; the number of nodes is read of the edges."""
    nodes = int(edges.max()) + 1
    return net.layer(x.new_zeros(nodes, 8).index_add(0, edges[1], x[edges[0]]))


@pytest.mark.parametrize("edges", [30_000, 40_000, 1_000_000])
def test_graphs_of_many_edges(edges):
    """500 nodes, each with an edge."""
    ends = torch.arange(2 * edges).reshape(2, edges) % 500
    cost = measure(Net(aggregate), inputs=(torch.zeros(500, 8), ends))
    assert (cost.macs, cost.executed) == (500 * 32, "meta")


DROPS = {
    "a number": lambda: torch.rand([]),
    "of one element": lambda: torch.rand(1),
    "from a normal distribution": lambda: torch.randn(()).abs(),
    "an integer": lambda: torch.randint(0, 9, ()),
    "from a permutation": lambda: torch.randperm(9)[0],
}


@pytest.mark.parametrize("draw", DROPS)
def test_random_numbers_that_decide_are_seeded(draw):
    """None of 3 layers is dropped with a probability of 0, all are with a bound that every draw is below."""
    for bound, calls in ((-1.0, 3), (100.0, 0)):

        def dropping(net, x, bound=bound):
            y = x
            for _ in range(3):
                if DROPS[draw]() >= bound:
                    y = net.layer(x)
            return y

        cost = measure(Net(dropping), inputs=(2, 8))
        assert (cost.macs, cost.executed) == (calls * 64, "meta")


def test_a_draw_is_the_same_each_time():
    def dropping(net, x):
        return [net.layer(x) for _ in range(50) if torch.rand([]) < 0.5]

    torch.manual_seed(1)
    first = measure(Net(dropping), inputs=(2, 8)).macs
    torch.manual_seed(2)
    assert measure(Net(dropping), inputs=(2, 8)).macs == first
    assert 0 < first < 50 * 64


TARGETS = torch.ones(2, 3, dtype=torch.int64)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("lengths", [torch.tensor, tuple, list])
def test_the_loss_over_sequences_stays_on_meta(lengths, reduction):
    """5 steps of 2 sequences through ``Linear(8, 4)``: 320 multiply-adds, and as many for its weight's gradient."""

    def loss(out):
        return F.ctc_loss(out.log_softmax(-1), TARGETS, lengths([5, 4]), lengths([3, 2]), reduction=reduction).sum()

    for mode, macs in (("infer", 320), ("train", 640)):
        options = {"mode": "train", "optimizer": "none"} if mode == "train" else {}
        cost = measure(Net(lambda net, x: loss(net.layer(x))), inputs=(5, 2, 8), **options)
        assert (cost.macs, cost.executed) == (macs, "meta")
    trained = measure(lambda: nn.Linear(8, 4), inputs=(5, 2, 8), mode="train", loss=loss, optimizer="none")
    assert (trained.macs, trained.executed) == (640, "meta")


def test_memory_of_the_loss_over_sequences_is_that_of_a_real_run():
    """But for a copy of the 6 targets, which PyTorch moves to the device of the scores."""

    def loss(out):
        return F.ctc_loss(out.log_softmax(-1), TARGETS, torch.tensor([50, 40]), torch.tensor([3, 2]))

    options = {"inputs": (50, 2, 8), "mode": "train", "loss": loss, "optimizer": "none"}
    cost = measure(lambda: nn.Linear(8, 4), **options, measured=True)
    assert (cost.executed, cost.memory) == ("meta", cost.measured.memory + 6 * 8)


@pytest.mark.parametrize(("variant", "queries"), [("lower_right", 8), ("upper_left", 8), ("lower_right", 10)])
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_causal_bias(variant, queries, mode):
    """Both products of 2 * 4 heads of width 16, of every query with 10 keys; a mask leaves none out of a count.

    In training four more products of the same size, of which those for keys and values need no gradient in.
    """
    from torch.nn.attention import bias

    make = getattr(bias, f"causal_{variant}")

    def attend(net, q, k):
        return F.scaled_dot_product_attention(net.layer(q), k, k, attn_mask=make(q.shape[-2], k.shape[-2]))

    shapes = [(2, 4, queries, 16), (2, 4, 10, 16)]
    options = {"mode": "train", "optimizer": "none", "attention": "math"} if mode == "train" else {}
    cost = measure(Net(attend, nn.Linear(16, 16, bias=False)), inputs=shapes, **options)
    linear, product = 2 * 4 * queries * 16 * 16, 2 * 4 * queries * 10 * 16
    # backward: the weight's gradient, the gradient of the scores, and that of the queries
    expected = linear + 2 * product if mode == "infer" else 2 * linear + 4 * product
    assert (cost.macs, cost.executed) == (expected, "meta")


def test_a_subclass_of_the_users_own():
    class Mask(torch.Tensor):
        pass

    def masked(net, x):
        return net.layer(x * Mask([1.0] * 8)) + net.layer(x * Mask(8))

    cost = measure(Net(masked), inputs=(2, 8))
    assert (cost.macs, cost.executed) == (2 * 64, "meta")
    assert "__new__" not in vars(Mask)
    assert type(Mask(2)) is Mask


@pytest.mark.parametrize("drops", [0.0, 1e-9])
def test_a_training_step_of_opt_which_may_drop_layers(drops):
    """Two layers of four projections, two feed-forward ones and attention; backward costs two products for each one."""
    import transformers

    batch, seq, width, wide, words = 2, 16, 32, 64, 100
    config = transformers.OPTConfig(
        vocab_size=words, hidden_size=width, num_hidden_layers=2, ffn_dim=wide, num_attention_heads=4,
        max_position_embeddings=64, word_embed_proj_dim=width, layerdrop=drops,
    )  # fmt: skip
    options = {"batch": batch, "seq": seq, "mode": "train", "optimizer": "none"}
    cost = measure(lambda: transformers.OPTForCausalLM(config), **options)
    layer = batch * seq * (4 * width**2 + 2 * width * wide) + 2 * batch * seq**2 * width
    assert (cost.macs, cost.executed) == (3 * (2 * layer + batch * seq * width * words), "meta")


def skew(vector):
    """A matrix of zeros, and a row of values that is written into it."""
    matrix = torch.zeros(4, 4, device=vector.device)
    rows, columns = torch.triu_indices(4, 4, 1)
    matrix[rows, columns] = vector[0, :6]
    return matrix - matrix.T


def row_by_row(vector):
    table, counts = torch.zeros(4, 4), torch.ones(4)
    for i in range(4):
        table[i] = vector[0, :4]
    counts.mul_(vector[0, :4])
    return table * counts


def by_a_view(vector):
    table = torch.full((2, 4, 4), 1.0)
    table[0].add_(vector[0, :4])
    return table[0]


@pytest.mark.parametrize("write", [skew, row_by_row, by_a_view])
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_zeros_that_are_written_to_beside_values_that_are_read(write, mode):
    """The lengths keep their values; what is written to does not, and the product of 3 x 8 by 8 x 8 stays on meta."""

    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x, lengths):
            out = self.layer(x)
            total = write(out).sum()
            return [part + total for part in out.split(lengths.tolist())]

    inputs = (torch.zeros(3, 8), torch.tensor([1, 2]))
    cost = measure(Writes(), inputs=inputs, mode=mode, optimizer="none" if mode == "train" else None)
    assert (cost.executed, cost.macs) == ("meta", 3 * 8 * 8 * (2 if mode == "train" else 1))


MADE = {
    "tensor": lambda x, counts: torch.tensor(counts, device=x.device),
    "as_tensor": lambda x, counts: torch.as_tensor(counts, device=x.device),
    "asarray": lambda x, counts: torch.asarray(counts, device=x.device),
    "new_tensor": lambda x, counts: x.new_tensor(counts, dtype=torch.int64),
    "tensor, moved": lambda x, counts: torch.tensor(counts).to(x.device),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_constants_made_on_the_device_of_the_input(make):
    """How often each row is repeated says how many rows the product has: 5."""

    class Repeats(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            rows = torch.repeat_interleave(torch.arange(2, device=x.device), make(x, [2, 3]))
            return self.layer(x[rows])

    cost = measure(Repeats(), inputs=(2, 4))
    assert (cost.executed, cost.macs) == ("meta", 5 * 4 * 4)


def test_views_of_indices_that_keep_their_values_take_no_bytes_beside_them():
    """Two rows of one tensor of 12 int64, as columns beside a meta tensor: the input's 96 bytes hold both."""

    class Columns(nn.Module):
        def forward(self, x, edges):
            assert edges.max().item() < 6
            source, target = edges[0].view(-1, 1), edges[1].view(-1, 1)
            return x.gather(0, source.expand(6, 8)), x.gather(0, target.expand_as(x))

    edges = torch.arange(12).remainder(6).view(2, 6)
    cost = measure(Columns(), inputs=(torch.zeros(6, 8), edges))
    assert cost.executed == "meta"
    assert cost.memory == 6 * 8 * 4 + 12 * 8 + 2 * (6 * 8 * 4)
