"""The three ways to say which model a budget is about, and what happens with two candidates or none."""

from __future__ import annotations

import pytest
from suites import assert_clear, measured, outcomes, pixels, properties, run


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            """
            @budget(flops=768, res=8)
            def test_it():
                return Pixels()
            """,
            id="returned",
        ),
        pytest.param(
            """
            @pytest.fixture
            def net():
                return Pixels()

            @budget(flops=768, res=8)
            def test_it(net):
                assert net.training
            """,
            id="argument",
        ),
        pytest.param(
            """
            @pytest.fixture
            def net():
                return Pixels()

            @budget(flops=768, res=8)
            def test_it(net):
                return net
            """,
            id="argument that is returned, too",
        ),
        pytest.param(
            """
            @pytest.mark.parametrize("net", [Pixels()])
            @budget(flops=768, res=8)
            def test_it(net): ...
            """,
            id="parametrized argument",
        ),
        pytest.param(
            """
            @budget(model=Pixels, flops=768, res=8)
            def test_it(): ...
            """,
            id="class",
        ),
        pytest.param(
            """
            @budget(model=lambda: Pixels(), flops=768, res=8)
            def test_it(): ...
            """,
            id="factory",
        ),
        pytest.param(
            """
            import functools

            @budget(model=functools.partial(nn.Conv2d, 3, 4, 1, bias=False), flops=768, res=8)
            def test_it(): ...
            """,
            id="partial",
        ),
        pytest.param(
            """
            def factory(res, width=4):
                assert (res, width) == (8, 4)
                return nn.Conv2d(3, width, 1, bias=False)

            @budget(model=factory, flops=768, res=8)
            def test_it(): ...
            """,
            id="factory that is built for a resolution",
        ),
        pytest.param(
            """
            @budget(model=Pixels(), flops=768, res=8)
            def test_it(): ...
            """,
            id="module",
        ),
        pytest.param(
            """
            @pytest.fixture
            def net():
                return Pixels()

            @budget(model="net", flops=768, res=8)
            def test_it(): ...
            """,
            id="fixture by name",
        ),
        pytest.param(
            """
            @pytest.fixture
            def make_net():
                return Pixels

            @budget(model="make_net", flops=768, res=8)
            def test_it(): ...
            """,
            id="fixture by name that gives a factory",
        ),
        pytest.param(
            """
            @pytest.fixture
            def teacher():
                return Tokens()

            @pytest.fixture
            def student():
                return Pixels()

            @budget(model="student", flops=768, res=8)
            def test_it(teacher, student): ...
            """,
            id="one of two arguments by name",
        ),
        pytest.param(
            """
            @pytest.fixture
            def backbone():
                return nn.Conv2d(3, 4, 1, bias=False)

            @pytest.fixture
            def net(backbone):
                return nn.Sequential(backbone)

            @budget(flops=768, res=8)
            def test_it(net): ...
            """,
            id="argument whose fixture is made of another module",
        ),
        pytest.param(
            """
            @pytest.fixture(autouse=True)
            def reference():
                return Tokens()

            @budget(flops=768, res=8)
            def test_it():
                return Pixels()
            """,
            id="returned beside an autouse fixture that gives a module",
        ),
    ],
)
def test_the_model_is_found(pytester, source):
    """768 = 8 * 8 pixels * 12: at the limit passes."""
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(1, 8)] == [768]


def test_a_module_scoped_fixture_is_found_and_left_usable(pytester):
    """The model is measured in place, and still computes after."""
    source = """
        import torch

        @pytest.fixture(scope="module")
        def net():
            return Pixels()

        @budget(flops=768, res=8)
        def test_cost(net): ...

        def test_use(net):
            with torch.no_grad():
                assert torch.isfinite(net(torch.zeros(1, 3, 2, 2))).all()
    """
    assert outcomes(run(pytester, source)) == {"passed": 2}


def test_a_parametrized_fixture_by_name_gives_one_test_each(pytester):
    source = """
        @pytest.fixture(params=[4, 8])
        def net(request):
            return nn.Conv2d(3, request.param, 1, bias=False)

        @budget(model="net", flops="1M", res=8)
        def test_it(): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 2}
    assert measured(result) == [8 * 8 * 3 * 4, 8 * 8 * 3 * 8]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            """
            @budget(flops="1M", res=8)
            def test_it():
                Pixels()
            """,
            "no model: the test returned nothing and has no argument that is an nn.Module. "
            "Return the model, take it as a fixture, or say model=.",
            id="none",
        ),
        pytest.param(
            """
            @budget(flops="1M", res=8)
            def test_it():
                return Pixels
            """,
            "no model: the test returned a value of type type and has no argument",
            id="a class is returned, not a model",
        ),
        pytest.param(
            """
            @budget(flops="1M", res=8)
            def test_it():
                return Pixels(), Pixels()
            """,
            "no model: the test returned a value of type tuple",
            id="a tuple of models is returned",
        ),
        pytest.param(
            """
            @pytest.fixture
            def net():
                return Pixels()

            @budget(flops="1M", res=8)
            @pytest.mark.usefixtures("net")
            def test_it(): ...
            """,
            "no model: the test returned nothing",
            id="a fixture that is used but no argument",
        ),
        pytest.param(
            """
            @pytest.fixture
            def a():
                return Pixels()

            @pytest.fixture
            def b():
                return Pixels()

            @budget(flops="1M", res=8)
            def test_it(a, b): ...
            """,
            "two models: the test takes 'a' and 'b'. Say which with model='...'.",
            id="two arguments",
        ),
        pytest.param(
            """
            @pytest.fixture
            def net():
                return Pixels()

            @budget(flops="1M", res=8)
            def test_it(net):
                return Pixels()
            """,
            "two models: the test returns one and takes another ('net'). Return nothing, or say model=.",
            id="an argument and another one returned",
        ),
        pytest.param(
            """
            @budget(model=Pixels, flops="1M", res=8)
            def test_it():
                return Pixels()
            """,
            "two models: the test returns one and model= names another. Keep one of them.",
            id="named and another one returned",
        ),
        pytest.param(
            """
            @pytest.fixture
            def net():
                return 3

            @budget(model="net", flops="1M", res=8)
            def test_it(): ...
            """,
            "no model: the fixture 'net' gave a value of type int, not an nn.Module or a factory.",
            id="a fixture that gives no model",
        ),
        pytest.param(
            """
            @pytest.fixture
            def net(): ...

            @budget(model="net", flops="1M", res=8)
            def test_it(): ...
            """,
            "no model: the fixture 'net' gave nothing, not an nn.Module or a factory.",
            id="a fixture that gives nothing",
        ),
    ],
)
def test_no_model_or_two_fail_with_the_remedy(pytester, source, message):
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert result.ret == 1
    assert_clear(result, message)
    assert measured(result) == []


def test_a_fixture_that_does_not_exist_is_pytests_own_error(pytester):
    """pytest says it best: it lists the fixtures there are."""
    result = run(pytester, "@budget(model='nett', flops='1M', res=8)\ndef test_it(): ...")
    assert outcomes(result) == {"errors": 1}
    assert_clear(result, "fixture 'nett' not found", "available fixtures:")


def test_the_body_runs_on_meta_first_and_for_real_only_if_that_fails(pytester):
    """A body without values runs once; one that reads values runs again, and its assertions hold for real ones."""
    source = """
        devices = []

        @budget(flops="1M", res=8)
        def test_built():
            net = Pixels()
            devices.append(net.layer.weight.device.type)
            assert net.layer.weight.shape == (4, 3, 1, 1)
            return net

        @budget(flops="1M", res=8)
        def test_reads_values():
            net = Pixels()
            devices.append(net.layer.weight.device.type)
            nn.init.ones_(net.layer.weight)
            assert net.layer.weight.sum().item() == 12
            return net

        def test_what_happened():
            assert devices == ["meta", "meta", "cpu"]
    """
    assert outcomes(run(pytester, source)) == {"passed": 3}


@pytest.mark.parametrize(
    "statement",
    [
        "assert bool((net.layer.weight == 7).all())",
        "assert torch.equal(net.layer.weight, torch.zeros(4, 3, 1, 1))",
        "assert torch.allclose(net.layer.weight, torch.zeros(4, 3, 1, 1))",
        "assert net.layer.weight.tolist() == []",
        "assert net.layer.weight.detach().numpy().sum() == 7",
        "assert (net.layer.weight == 7).nonzero().shape[0] == 12",
        "assert net(torch.ones(1, 3, 2, 2)).mean().item() == 7",
        "torch.testing.assert_close(net.layer.weight, torch.zeros(4, 3, 1, 1))",
        "assert 7 in net.layer.weight",
    ],
)
def test_an_assertion_on_values_is_never_satisfied_by_tensors_without_data(pytester, statement):
    """Each statement is false for the weights PyTorch draws: the test must fail, and with the assertion's own error."""
    source = f"""
        import torch

        @budget(flops="1M", res=8)
        def test_it():
            torch.manual_seed(0)
            net = Pixels()
            {statement}
            return net
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "AssertionError", ">       " + statement)


def test_a_body_that_raises_shows_its_own_traceback(pytester):
    source = """
        def build():
            raise LookupError("no weights here")

        @budget(flops="1M", res=8)
        def test_it():
            return build()
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, 'raise LookupError("no weights here")', ">       return build()", "LookupError")
    assert "During handling" not in result.stdout.str()
    assert "meta" not in result.stdout.str()


def test_a_model_that_reads_values_is_run_for_real(pytester):
    source = """
        class Gated(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Conv2d(3, 4, 1, bias=False)

            def forward(self, image):
                return self.layer(image) if image.sum().item() < 1e9 else image

        @budget(flops=768, res=8)
        def test_it():
            return Gated()
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert ("modelbudget.executed", "real") in properties(result)
    assert measured(result) == [pixels(1, 8)]
    assert_clear(result, "The model reads values that the meta device does not have", "run for real on seeded inputs")


# -- a TARGET, as on the command line ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["models:Pixels", "models.py:Pixels"])
def test_a_target_names_the_model(pytester, target):
    """A file is looked for from the root directory, wherever pytest was called."""
    pytester.syspathinsert()
    result = run(pytester, f"@budget(model={target!r}, flops=768, res=8)\ndef test_it(): ...\n")
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(1, 8)]


def test_a_target_of_a_zoo_has_its_resolution(pytester):
    """MobileNetV3 small has 2,542,856 parameters, as torchvision publishes."""
    source = "@budget(model='torchvision:mobilenet_v3_small', params=2_542_856{})\ndef test_it(): ...\n"
    result = run(pytester, source.format(""))
    assert outcomes(result) == {"passed": 1}
    assert "batch 1, res 224, infer" in result.stdout.str()
    result = run(pytester, source.format(", res=64, batch=2"))
    assert "batch 2, res 64, infer" in result.stdout.str()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("torchvision:resnet", "torchvision has no model 'resnet'. Did you mean 'resnet"),
        ("models.py:Nothing", "models.py has no 'Nothing'"),
        ("no_such_package:Net", "no_such_package does not import"),
        ("none.py:Net", "There is no file "),
        (":Net", "':Net' is not a TARGET"),
    ],
)
def test_a_target_that_is_not_there(pytester, target, message):
    assert_clear(run(pytester, f"@budget(model={target!r}, flops=1, res=8)\ndef test_it(): ...\n"), message)
