"""The fixture ``model_cost``: ``measure`` bound to a test, whose results are reported."""

from __future__ import annotations

import pytest
from suites import assert_clear, measured, outcomes, pixels, properties, run, tokens


def test_it_gives_a_cost_and_the_run_reports_it(pytester):
    source = """
        def test_it(model_cost):
            cost = model_cost(Pixels, batch=2, res=8)
            assert cost.flops == 2 * 8 * 8 * 12
            assert cost.by_module()["layer"].params == 12
            assert cost.by_operator() == {"conv2d": cost.flops}
            assert cost.executed == "meta"
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(2, 8)]
    result.stdout.fnmatch_lines(["test_cost.py::test_it  batch 2, res 8, infer  1.54 k *"])


def test_several_measurements_are_several_entries(pytester):
    source = """
        def test_it(model_cost):
            model_cost(Pixels, batch=1, res=8)
            model_cost(Tokens, batch=1, seq=5)
            model_cost(Tokens(), batch=1, seq=7, name="long")
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(1, 8), tokens(1, 5), tokens(1, 7)]
    result.stdout.fnmatch_lines(["test_cost.py::test_it  *", "test_cost.py::test_it #2  *", "long  *"])


def test_it_goes_with_a_budget_on_the_same_test(pytester):
    source = """
        @budget(model=Pixels, flops={flops}, res=8)
        def test_it(model_cost):
            assert model_cost(Tokens, batch=1, seq=5).flops == 100
    """
    result = run(pytester, source.format(flops=768))
    assert outcomes(result) == {"passed": 1}
    assert sorted(measured(result)) == [tokens(1, 5), pixels(1, 8)]
    assert outcomes(run(pytester, source.format(flops=767))) == {"failed": 1}


def test_a_failing_assertion_still_reports_what_was_measured(pytester):
    """That is when the numbers are wanted."""
    source = """
        def test_it(model_cost):
            assert model_cost(Pixels, batch=1, res=8).flops < 700
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert measured(result) == [pixels(1, 8)]
    result.stdout.fnmatch_lines(["test_cost.py::test_it  batch 1, res 8, infer  768 *"])
    assert_clear(result, "assert 768 < 700")


def test_another_fixture_may_measure(pytester):
    source = """
        @pytest.fixture
        def cost(model_cost):
            return model_cost(Pixels, batch=1, res=8)

        def test_it(cost):
            assert cost.params == 12
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(1, 8)]


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests since 9")
def test_measurements_inside_subtests_are_all_reported(pytester):
    source = """
        def test_it(model_cost, subtests):
            for res in (4, 8):
                with subtests.test(res=res):
                    assert model_cost(Pixels, batch=1, res=res).params == 12
    """
    result = run(pytester, source)
    assert result.ret == 0
    rows = [line.strip() for line in result.outlines if line.startswith("    batch")]
    assert [row.partition(":")[0] for row in rows] == ["batch 1, res 4, infer", "batch 1, res 8, infer"]


def test_errors_are_the_users_to_catch_or_to_read(pytester):
    source = """
        from pytest_modelbudget import ModelError, UsageError

        def test_caught(model_cost):
            with pytest.raises(UsageError, match="There are no inputs"):
                model_cost(Pixels)
            with pytest.raises(ModelError, match="Conv2d"):
                model_cost(Pixels, seq=8)

        def test_usage(model_cost):
            model_cost(Pixels, res=8, convention="tourch")

        def test_model(model_cost):
            model_cost(Pixels, res=8, channels=7)
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1, "failed": 2}
    assert_clear(
        result,
        "convention='tourch' is not a convention. Allowed: 'fvcore', 'torch'. Did you mean 'torch'?",
        ">       model_cost(Pixels, res=8, channels=7)",
        "The model raised RuntimeError in module 'layer' (Conv2d)",
    )


def test_a_model_of_a_fixture_is_left_as_it_was(pytester):
    source = """
        import torch

        @pytest.fixture(scope="module")
        def net():
            return nn.Sequential(Pixels(), nn.BatchNorm2d(4))

        def test_it(model_cost, net):
            net[0].train()
            net[1].eval()
            before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
            state = torch.get_rng_state()
            model_cost(net, batch=2, res=8)
            assert torch.equal(torch.get_rng_state(), state)
            assert (net[0].training, net[1].training) == (True, False)
            after = net.state_dict()
            assert all(torch.equal(before[name], after[name]) for name in after)
            assert net(torch.zeros(1, 3, 2, 2)).shape == (1, 4, 2, 2)
    """
    assert outcomes(run(pytester, source)) == {"passed": 1}


def test_unused_it_reports_nothing(pytester):
    result = run(pytester, "def test_it(model_cost): ...")
    assert outcomes(result) == {"passed": 1}
    assert properties(result) == []
    assert "model budgets" not in result.stdout.str()


def test_it_is_listed_among_the_fixtures(pytester):
    pytester.runpytest_inprocess("--fixtures").stdout.fnmatch_lines(["model_cost*", "*Measure a model inside a test*"])
