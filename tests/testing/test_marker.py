"""Where markers may stand, what they inherit, and the order they are reported in."""

from __future__ import annotations

import pytest
from suites import assert_clear, measured, outcomes, pixels, properties, run, tokens


def points(result):
    """The operating points a run reports, in order."""
    return [value for name, value in properties(result) if name.endswith(".point")]


def test_stacked_markers_are_operating_points_in_source_order(pytester):
    source = """
        @budget(flops="1M", res=8, batch=3)
        @budget(flops="1M", res=4)
        @budget(flops="1M", res=(2, 6))
        def test_it():
            return Pixels()
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert points(result) == ["batch 3, res 8, infer", "batch 1, res 4, infer", "batch 1, res 2x6, infer"]
    assert measured(result) == [pixels(3, 8), pixels(1, 4), pixels(1, 2, 6)]
    result.stdout.fnmatch_lines(
        [
            "test_cost.py::test_it @ batch 3, res 8, infer  *",
            "test_cost.py::test_it @ batch 1, res 4, infer  *",
            "test_cost.py::test_it @ batch 1, res 2x6, infer  *",
        ]
    )


def test_one_failing_point_fails_the_test_and_the_others_are_reported(pytester):
    """8 * 8 * 12 = 768 is over 767; 4 * 4 * 12 = 192 is at its limit."""
    source = """
        @budget(flops=767, res=8)
        @budget(flops=192, res=4)
        def test_it():
            return Pixels()
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert measured(result) == [768, 192]
    text = result.stdout.str()
    assert text.count("over budget:") == 2  # once in the failure, once in the short summary
    assert "192" not in text.partition("= model budgets =")[0]  # the failure tells of the point that failed


def test_points_that_look_the_same_are_numbered(pytester):
    source = """
        @budget(flops=1000, res=8, inputs=(1, 3, 8, 8))
        @budget(params=12, res=8)
        def test_it():
            return Pixels()
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    result.stdout.fnmatch_lines(["test_cost.py::test_it @ * #1 *", "test_cost.py::test_it @ * #2 *"])


def test_names_stand_for_node_ids(pytester):
    source = """
        @budget(flops="1M", res=8, name="small")
        @budget(flops="1M", res=16, name="large")
        def test_it():
            return Pixels()
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    result.stdout.fnmatch_lines(["small  *batch 1, res 8, infer*", "large  *batch 1, res 16, infer*"])


def test_pytest_mark_budget_is_the_same_thing(pytester):
    """Nothing of ours has to be imported, and --strict-markers knows the marker."""
    pytester.makepyfile(
        """
        import pytest
        from torch import nn

        @pytest.mark.budget(flops=768, res=8)
        def test_it():
            return nn.Conv2d(3, 4, 1, bias=False)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--strict-markers")
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(1, 8)]


def test_the_marker_is_listed_with_its_meaning(pytester):
    result = pytester.runpytest_inprocess("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.budget(flops=*"])


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("@pytest.mark.parametrize('res', [4, 8])", [pixels(1, 4), pixels(1, 8)]),
        ("@pytest.mark.parametrize('res', [(4, 8), [2, 6]])", [pixels(1, 4, 8), pixels(1, 2, 6)]),
        ("@pytest.mark.parametrize('batch, res', [(2, 4), (3, 8)])", [pixels(2, 4), pixels(3, 8)]),
    ],
)
def test_what_the_marker_leaves_out_comes_from_arguments(pytester, marks, expected):
    arguments = "batch, res" if "batch" in marks else "res"
    result = run(pytester, f"{marks}\n@budget(model=Pixels, flops='1M')\ndef test_it({arguments}): ...")
    assert outcomes(result) == {"passed": 2}
    assert measured(result) == expected


def test_seq_and_batch_come_from_fixtures(pytester):
    source = """
        @pytest.fixture(params=[3, 5])
        def seq(request):
            return request.param

        @pytest.fixture
        def batch():
            return 2

        @budget(model=Tokens, flops="1M")
        def test_it(seq, batch): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 2}
    assert measured(result) == [tokens(2, 3), tokens(2, 5)]


@pytest.mark.parametrize("argument", ["parametrize", "fixture", "for a fixture"])
def test_an_argument_that_disagrees_with_the_marker_is_refused(pytester, argument):
    source = """
        @pytest.fixture
        def size(res):
            return res

        @pytest.mark.parametrize("res", [4])
        @budget(model=Pixels, flops="1M", res=8)
        def test_it(res): ...
    """
    if argument == "fixture":
        source = source.replace(
            '@pytest.mark.parametrize("res", [4])', "@pytest.fixture\n        def res(): return 4\n"
        )
    elif argument == "for a fixture":
        source = source.replace("test_it(res)", "test_it(size)")
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "two values of res: res=8 in @budget, res=4 as the test's own argument.", "test_cost.py:")


def test_an_argument_that_agrees_with_the_marker_is_fine(pytester):
    source = """
        @pytest.mark.parametrize("res", [8, (8, 8)])
        @budget(model=Pixels, flops="1M", res=8)
        def test_it(res): ...
    """
    assert measured(run(pytester, source)) == [pixels(1, 8)] * 2


def test_the_marker_goes_before_what_only_a_fixture_needs(pytester):
    """``data`` is made at a resolution that is none of the test's."""
    source = """
        @pytest.fixture
        def res():
            return 4

        @pytest.fixture
        def data(res):
            return [res]

        @budget(model=Pixels, flops="1M", res=8)
        def test_it(data): ...
    """
    assert measured(run(pytester, source)) == [pixels(1, 8)]


def test_an_argument_goes_before_what_the_class_or_module_says(pytester):
    source = """
        pytestmark = budget(model=Pixels, flops="1M", batch=2)

        @budget(res=8)
        class TestIt:
            @pytest.mark.parametrize(("batch", "res"), [(3, 4)])
            @budget(params="1M")
            def test_it(self, batch, res): ...

            @budget(params="1M")
            def test_as_said(self): ...
    """
    assert measured(run(pytester, source)) == [pixels(3, 4), pixels(2, 8)]


@pytest.mark.parametrize("value", ["[[1.0], [2.0]]", "object()", "2.0", "True", "'large'"])
def test_a_fixture_called_batch_that_is_no_number_is_not_the_batch(pytester, value):
    source = f"""
        @pytest.fixture
        def batch():
            return {value}

        @budget(model=Pixels, flops="1M", res=8)
        def test_it(batch): ...
    """
    assert measured(run(pytester, source)) == [pixels(1, 8)]


def test_numbers_of_numpy_are_sizes(pytester):
    source = """
        import numpy

        @pytest.mark.parametrize("batch", numpy.arange(2, 4))
        @budget(model=Pixels, flops=numpy.int32(10_000), res=numpy.int64(8))
        def test_it(batch): ...
    """
    assert measured(run(pytester, source)) == [pixels(2, 8), pixels(3, 8)]


def test_a_parameter_with_another_name_for_a_size_is_told(pytester):
    """Else three tests would measure the same, and say that they did not."""
    source = """
        @pytest.mark.parametrize("batch_size", [1, 32])
        @budget(model=Pixels, flops="1M", res=8)
        def test_it(batch_size): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 2}
    assert_clear(result, "batch_size=32 is an argument of the test, and batch= is left out", "Call the argument batch")


def test_a_size_that_is_missing_is_looked_for_among_the_parameters(pytester):
    source = """
        @pytest.mark.parametrize("image_size", [8])
        @budget(model=Pixels, flops="1M")
        def test_it(image_size): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "There are no inputs", "image_size=8 is an argument of the test, and res= is left out")


def test_a_returned_model_may_be_built_for_its_resolution(pytester):
    source = """
        @pytest.mark.parametrize("res", [4, 8])
        @budget(params="1M")
        def test_it(res):
            return nn.Sequential(nn.Flatten(), nn.Linear(3 * res * res, 2, bias=False))
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 2}
    assert measured(result, "params") == [3 * 4 * 4 * 2, 3 * 8 * 8 * 2]


def test_an_argument_that_is_no_resolution_is_refused(pytester):
    source = """
        @pytest.mark.parametrize("res", ["large"])
        @budget(model=Pixels, flops="1M")
        def test_it(res): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "res='large' is neither one number nor (height, width).", "test_cost.py:")


def test_params_carry_budgets_of_their_own(pytester):
    """768 at res 8 is over 700; 192 at res 4 is within it."""
    source = """
        @pytest.mark.parametrize(
            "res",
            [
                pytest.param(4, marks=budget(model=Pixels, flops=700)),
                pytest.param(8, marks=budget(model=Pixels, flops=700)),
                16,
            ],
        )
        def test_it(res): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 2, "failed": 1}
    assert measured(result) == [pixels(1, 4), pixels(1, 8)]


def test_markers_of_a_param_are_points_in_source_order(pytester):
    source = """
        @pytest.mark.parametrize(
            "batch",
            [pytest.param(2, marks=[budget(model=Pixels, params=12, res=4), budget(model=Pixels, params=12, res=8)])],
        )
        def test_it(batch): ...
    """
    assert measured(run(pytester, source)) == [pixels(2, 4), pixels(2, 8)]


def test_marks_that_are_assigned_count_like_decorators(pytester):
    source = """
        def test_one():
            return Pixels()

        def test_list():
            return Pixels()

        test_one.pytestmark = budget(flops="1M", res=8)
        test_list.pytestmark = [budget(flops="1M", res=4)]
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 2}
    assert measured(result) == [pixels(1, 8), pixels(1, 4)]


class TestLevels:
    """Defaults come from the outside in, the test's own marker last."""

    def test_module_and_class_give_defaults(self, pytester):
        source = """
            pytestmark = budget(res=8, batch=2, flops="1M")

            @budget(batch=3)
            class TestIt:
                @budget(model=Pixels)
                def test_from_class(self): ...

                @budget(model=Pixels, batch=4, res=2)
                def test_own(self): ...

            @budget(model=Pixels)
            def test_from_module(): ...
        """
        result = run(pytester, source)
        assert outcomes(result) == {"passed": 3}
        assert measured(result) == [pixels(3, 8), pixels(4, 2), pixels(2, 8)]

    def test_an_own_limit_overrides_the_default_one(self, pytester):
        """768 FLOPs: over the class's 700, within the test's 768."""
        source = """
            @budget(model=Pixels, res=8, flops=700)
            class TestIt:
                @budget(flops=768)
                def test_own(self): ...

                def test_default(self): ...
        """
        result = run(pytester, source)
        assert outcomes(result) == {"passed": 1, "failed": 1}
        result.stdout.fnmatch_lines(["FAILED test_cost.py::TestIt::test_default*"])

    def test_a_class_alone_budgets_every_method(self, pytester):
        source = """
            @budget(flops="1M", res=8)
            class TestIt:
                def test_a(self):
                    return Pixels()

                def test_b(self):
                    return nn.Conv2d(3, 8, 1, bias=False)

                def test_c(self): ...
        """
        result = run(pytester, source)
        assert outcomes(result) == {"passed": 2, "failed": 1}
        assert measured(result) == [8 * 8 * 3 * 4, 8 * 8 * 3 * 8]
        assert_clear(result, "no model: the test returned nothing")

    def test_a_class_with_several_points_gives_them_to_every_method(self, pytester):
        source = """
            @budget(model=Pixels, flops="1M", res=8)
            @budget(model=Pixels, flops="1M", res=4)
            class TestIt:
                def test_a(self): ...
                def test_b(self): ...
        """
        result = run(pytester, source)
        assert outcomes(result) == {"passed": 2}
        assert measured(result) == [pixels(1, 8), pixels(1, 4)] * 2

    def test_a_module_with_a_list_of_points_reports_them_in_source_order(self, pytester):
        source = """
            pytestmark = [budget(model=Pixels, flops="1M", res=8), budget(model=Pixels, flops="1M", res=4)]

            def test_a(): ...
        """
        result = run(pytester, source)
        assert measured(result) == [pixels(1, 8), pixels(1, 4)]

    def test_nested_classes_inherit_from_the_outside_in(self, pytester):
        source = """
            @budget(model=Pixels, flops="1M", res=8, batch=2)
            class TestOuter:
                @budget(batch=5)
                class TestInner:
                    @budget(res=4)
                    def test_it(self): ...
        """
        assert measured(run(pytester, source)) == [pixels(5, 4)]

    def test_inherited_methods_and_classes_keep_their_markers(self, pytester):
        source = """
            class Base:
                @budget(flops="1M", res=8)
                def test_it(self):
                    return self.make()

            class TestSmall(Base):
                make = staticmethod(lambda: nn.Conv2d(3, 4, 1, bias=False))

            class TestLarge(Base):
                make = staticmethod(lambda: nn.Conv2d(3, 8, 1, bias=False))
        """
        result = run(pytester, source)
        assert outcomes(result) == {"passed": 2}
        assert measured(result) == [8 * 8 * 3 * 4, 8 * 8 * 3 * 8]

    def test_a_marked_base_class_marks_its_subclasses(self, pytester):
        source = """
            @budget(model=Pixels, flops="1M", res=8)
            class Base: ...

            class TestIt(Base):
                def test_it(self): ...
        """
        assert measured(run(pytester, source)) == [pixels(1, 8)]

    def test_a_parametrized_class(self, pytester):
        source = """
            @pytest.mark.parametrize("res", [4, 8])
            @budget(model=Pixels, flops="1M")
            class TestIt:
                def test_it(self, res): ...
        """
        assert measured(run(pytester, source)) == [pixels(1, 4), pixels(1, 8)]

    def test_a_wrong_default_is_an_error_even_where_it_is_overridden(self, pytester):
        source = """
            pytestmark = budget(flops="lots")

            @budget(model=Pixels, res=8, flops="1M")
            def test_it(): ...
        """
        result = run(pytester, source)
        assert outcomes(result) == {"errors": 1}
        assert result.ret == 2
        assert_clear(result, "test_cost.py::test_it: flops='lots' is not a quantity.")


class TestModule:
    """``module=`` holds the limits against one submodule."""

    SOURCE = """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Conv2d(3, 4, 1, bias=False)
                self.layer4 = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False))

            def forward(self, image):
                return self.layer4(self.stem(image))

        @budget(model=Net, res=8, module="{module}", flops="{flops}", params="1M")
        def test_it(): ...
    """

    def source(self, module="layer4", flops="1M"):
        return self.SOURCE.format(module=module, flops=flops)

    def test_within(self, pytester):
        result = run(pytester, self.source(flops=8 * 8 * 4 * 8))
        assert outcomes(result) == {"passed": 1}
        assert measured(result) == [8 * 8 * 4 * 8]
        assert measured(result, "params") == [4 * 8]

    def test_over(self, pytester):
        result = run(pytester, self.source(flops=8 * 8 * 4 * 8 - 1))
        assert outcomes(result) == {"failed": 1}
        assert_clear(
            result, "over budget: flops 2.048 k of 2.047 k", "Module 'layer4' of Net at batch 1, res 8, infer."
        )

    def test_a_nested_name(self, pytester):
        result = run(pytester, self.source("layer4.0"))
        assert measured(result) == [8 * 8 * 4 * 8]

    def test_several_modules_of_one_model_are_told_apart(self, pytester):
        stem = '@budget(model=Net, res=8, module="stem", flops="1M")'
        source = self.source().replace("@budget", f"{stem}\n        @budget")
        result = run(pytester, source)
        assert outcomes(result) == {"passed": 1}
        assert measured(result) == [8 * 8 * 3 * 4, 8 * 8 * 4 * 8]
        result.stdout.fnmatch_lines(
            ["*test_it @ batch 1, res 8, infer, stem *", "*test_it @ batch 1, res 8, infer, layer4 *"]
        )

    def test_a_name_that_is_not_there(self, pytester):
        result = run(pytester, self.source("layer3"))
        assert outcomes(result) == {"failed": 1}
        assert_clear(result, "module='layer3' is not in the model. Did you mean 'layer4'? Its modules: stem, layer4.")


class TestEndings:
    """How a budget goes with what else decides about a test."""

    def test_strict_xfail_of_a_test_over_budget_is_expected(self, pytester):
        source = """
            @pytest.mark.xfail(strict=True, reason="too large for now")
            @budget(model=Pixels, flops=700, res=8)
            def test_it(): ...
        """
        assert outcomes(run(pytester, source)) == {"xfailed": 1}

    def test_strict_xfail_of_a_test_within_budget_fails(self, pytester):
        source = """
            @pytest.mark.xfail(strict=True)
            @budget(model=Pixels, flops=768, res=8)
            def test_it(): ...
        """
        assert outcomes(run(pytester, source)) == {"failed": 1}

    @pytest.mark.parametrize("arguments", ["flops=1, res=8", "model=Pixels, flops=1, res=8"])
    def test_a_skip_in_the_body_skips(self, pytester, arguments):
        source = f"""
            @budget({arguments})
            def test_it():
                pytest.skip("not here")
        """
        result = run(pytester, source)
        assert outcomes(result) == {"skipped": 1}
        assert measured(result) == []

    def test_a_skip_marker_measures_nothing(self, pytester):
        source = """
            def factory():
                raise AssertionError("built")

            @pytest.mark.skip
            @budget(model=factory, flops=1, res=8)
            def test_it(): ...
        """
        assert outcomes(run(pytester, source)) == {"skipped": 1}

    def test_a_failing_body_fails_as_itself_whatever_the_budget(self, pytester):
        source = """
            @budget(model=Pixels, flops=1, res=8)
            def test_it():
                assert 1 == 2
        """
        result = run(pytester, source)
        assert outcomes(result) == {"failed": 1}
        assert_clear(result, "assert 1 == 2")
        assert "over budget" not in result.stdout.str()

    def test_a_failing_fixture_is_an_error_and_measures_nothing(self, pytester):
        source = """
            @pytest.fixture
            def net():
                raise OSError("no disk")

            @budget(flops="1M", res=8)
            def test_it(net): ...
        """
        result = run(pytester, source)
        assert outcomes(result) == {"errors": 1}
        assert_clear(result, "OSError: no disk")

    def test_a_marked_test_still_runs_its_body(self, pytester):
        source = """
            ran = []

            @budget(model=Pixels, flops="1M", res=8)
            def test_it(request, tmp_path):
                ran.append(request.node.name)
                assert tmp_path.is_dir()

            def test_after():
                assert ran == ["test_it"]
        """
        assert outcomes(run(pytester, source)) == {"passed": 2}

    def test_a_test_that_runs_again_is_measured_again_and_recorded_once(self, pytester):
        """As pytest-rerunfailures does it: the same item goes through the protocol until it passes."""
        pytester.makeconftest(
            """
            from _pytest.runner import runtestprotocol

            def pytest_runtest_protocol(item, nextitem):
                for attempt in range(2):
                    item._initrequest()
                    reports = runtestprotocol(item, nextitem=nextitem, log=False)
                    if attempt == 1 or not any(report.failed for report in reports):
                        break
                for report in reports:
                    item.ihook.pytest_runtest_logreport(report=report)
                return True
            """
        )
        source = """
            attempts = []

            @budget(flops=200, res=8)
            def test_it():
                attempts.append(1)
                return nn.Conv2d(3, 4 if len(attempts) == 1 else 1, 1, bias=False)
        """
        result = run(pytester, source)
        assert outcomes(result) == {"passed": 1}
        assert measured(result) == [8 * 8 * 3 * 1]
        assert result.stdout.str().count("test_cost.py::test_it ") == 1

    def test_collecting_only_measures_nothing(self, pytester):
        source = """
            def factory():
                raise AssertionError("built")

            @budget(model=factory, flops=1, res=8)
            def test_it(): ...
        """
        result = run(pytester, source, "--collect-only", "-q")
        result.stdout.fnmatch_lines(["test_cost.py::test_it"])
        assert "model budgets" not in result.stdout.str()

    def test_without_a_terminal_the_verdict_is_the_same(self, pytester):
        source = """
            @budget(model=Pixels, flops=700, res=8)
            def test_it(): ...
        """
        assert run(pytester, source, "-p", "no:terminal").ret == 1

    def test_two_runs_in_one_process_do_not_see_each_other(self, pytester):
        """The second run has another model under the same module name."""
        source = """
            @budget(model=Pixels, flops=767, res=8)
            def test_it(): ...
        """
        first = run(pytester, source)
        pytester.path.joinpath("models.py").unlink()
        pytester.makepyfile(
            models="""
            from torch import nn


            class Tokens: ...


            # further down


            class Pixels(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.layer = nn.Conv2d(3, 8, 1, bias=False)

                def forward(self, image):
                    return self.layer(image)
            """
        )
        second = pytester.runpytest_inprocess("-p", "no:cacheprovider")
        assert measured(first) == [8 * 8 * 3 * 4]
        assert measured(second) == [8 * 8 * 3 * 8]
        first.stdout.fnmatch_lines(["where  layer  Conv2d  768  100 %  models.py:7"])
        second.stdout.fnmatch_lines(["where  layer  Conv2d  1.54 k  100 %  models.py:13"])


class TestNeverIgnored:
    """A marker that cannot hold is an error, wherever it came from."""

    @pytest.mark.parametrize("hook", ["pytest_collection_modifyitems", "pytest_itemcollected", "pytest_runtest_setup"])
    def test_a_marker_added_by_a_hook_counts(self, pytester, hook):
        """768 FLOPs are over 700."""
        add = "item.add_marker(pytest.mark.budget(model='net', flops=700, res=8))"
        body = {
            "pytest_collection_modifyitems": f"def {hook}(items):\n    for item in items:\n        {add}",
            "pytest_itemcollected": f"def {hook}(item):\n    {add}",
            "pytest_runtest_setup": f"@pytest.hookimpl(tryfirst=True)\ndef {hook}(item):\n    {add}",
        }[hook]
        pytester.makeconftest(f"import pytest\n\n{body}\n")
        source = """
            @pytest.fixture
            def net():
                return Pixels()

            def test_it(): ...
        """
        result = run(pytester, source)
        assert outcomes(result) == {"failed": 1}
        assert measured(result) == [pixels(1, 8)]

    def test_a_marker_added_by_a_fixture_or_the_body_counts(self, pytester):
        source = """
            @pytest.fixture
            def limited(request):
                request.node.add_marker(budget(model=Pixels, flops=700, res=8))

            def test_fixture(limited): ...

            def test_body(request):
                request.node.add_marker(budget(model=Pixels, flops=700, res=8))
        """
        result = run(pytester, source)
        assert outcomes(result) == {"failed": 2}
        assert measured(result) == [pixels(1, 8)] * 2

    def test_a_marker_added_beside_the_tests_own_is_another_point(self, pytester):
        pytester.makeconftest(
            """
            import pytest

            def pytest_collection_modifyitems(items):
                for item in items:
                    item.add_marker(pytest.mark.budget(flops="1M", res=16))
            """
        )
        source = """
            @budget(flops="1M", res=8)
            def test_it():
                return Pixels()
        """
        result = run(pytester, source)
        assert sorted(measured(result)) == [pixels(1, 8), pixels(1, 16)]

    def test_a_wrong_marker_added_by_a_hook_is_an_error(self, pytester):
        pytester.makeconftest(
            """
            import pytest

            def pytest_collection_modifyitems(items):
                for item in items:
                    item.add_marker(pytest.mark.budget(flop="1M"))
            """
        )
        result = run(pytester, "def test_it(): ...")
        assert outcomes(result) == {"errors": 1}
        assert_clear(result, "'flop' is not an argument of budget(). Did you mean 'flops'?")

    def test_an_item_that_is_no_function(self, pytester):
        pytester.makeconftest(
            """
            import pytest

            class Text(pytest.File):
                def collect(self):
                    item = Line.from_parent(self, name="line")
                    item.add_marker(pytest.mark.budget(flops=1))
                    yield item

            class Line(pytest.Item):
                def runtest(self): ...

            def pytest_collect_file(file_path, parent):
                if file_path.suffix == ".txt":
                    return Text.from_parent(parent, path=file_path)
            """
        )
        pytester.maketxtfile(hello="hello")
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
        assert outcomes(result) == {"errors": 1}
        assert result.ret == 2
        assert_clear(
            result, "hello.txt::line: @budget is on a Line, which has no model. Mark a test function or method."
        )

    def test_doctests_are_none_of_the_tests_a_module_gives_defaults_for(self, pytester):
        source = """
            pytestmark = budget(model=Pixels, flops=767, res=8)

            def helper():
                '''
                >>> 1 + 1
                2
                '''

            def test_it(): ...
        """
        result = run(pytester, source, "--doctest-modules")
        assert outcomes(result) == {"passed": 1, "failed": 1}
        assert measured(result) == [pixels(1, 8)]

    def test_a_lambda_is_no_test(self, pytester):
        """pytest takes ``mark(...)(lambda)`` for a mark with an argument, so no test would come of it."""
        result = run(pytester, "test_it = budget(flops='1M', res=8)(lambda: Pixels())")
        assert outcomes(result) == {"errors": 1}
        assert_clear(result, "test_it", "def")

    @pytest.mark.parametrize("decorator", ["", "@pytest.mark.anyio\n"])
    def test_an_async_test(self, pytester, decorator):
        """Whoever runs it: with a plugin for async it is measured, without one pytest itself refuses it."""
        source = (
            f"@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n\n{decorator}@budget(flops=700, res=8)\n"
        )
        result = run(pytester, source + "async def test_it():\n    return Pixels()\n")
        assert "passed" not in outcomes(result)
        assert measured(result) == ([pixels(1, 8)] if decorator else [])
        assert ("over budget: flops" if decorator else "async def function") in result.stdout.str()

    @pytest.mark.parametrize("arguments", ["flops='1M', res=8", "model=Pixels, flops='1M', res=8"])
    @pytest.mark.parametrize(
        "body",
        [
            "async def test_it():\n    yield Pixels()\n",
            "async def test_it():\n    assert False\n",
            "class Later:\n    def __await__(self): ...\n\n@budget({})\ndef test_it():\n    return Later()\n",
        ],
    )
    def test_a_coroutine_nobody_awaits_is_not_taken_for_a_test_that_ran(self, pytester, arguments, body):
        source = body.replace("@budget({})", f"@budget({arguments})")
        result = run(pytester, source if "@budget" in source else f"@budget({arguments})\n{source}")
        assert len(outcomes(result)) == 1
        assert "passed" not in outcomes(result)  # pytest fails it, or before 8.4 skips it and warns

    def test_a_generator_test_does_not_pass(self, pytester):
        source = """
            @budget(model=Pixels, flops="1M", res=8)
            def test_it():
                yield Pixels()
        """
        result = run(pytester, source)
        assert "passed" not in outcomes(result)
        assert_clear(result, "yield")


def test_hypothesis_tests_may_be_budgeted(pytester):
    """The body runs for every example, the model is counted once."""
    source = """
        from hypothesis import given, settings, strategies as st

        examples = []

        @settings(max_examples=5, database=None)
        @budget(model=Pixels, flops={flops}, res=8)
        @given(number=st.integers())
        def test_it(number):
            examples.append(number)
            assert number == number

        def test_after():
            assert 1 <= len(examples) <= 5
    """
    within = run(pytester, source.format(flops=768))
    assert outcomes(within) == {"passed": 2}
    assert measured(within) == [768]
    over = run(pytester, source.format(flops=767))
    assert outcomes(over) == {"passed": 1, "failed": 1}
    assert_clear(over, "over budget: flops 768 of 767")


def test_hypothesis_finds_a_counterexample_in_a_budgeted_test(pytester):
    source = """
        from hypothesis import given, settings, strategies as st

        @budget(model=Pixels, flops=1, res=8)
        @settings(database=None)
        @given(number=st.integers())
        def test_it(number):
            assert number < 10
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "number=10")
    assert "over budget" not in result.stdout.str()


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests since 9")
def test_subtests_go_with_a_budget(pytester):
    source = """
        @budget(model=Pixels, flops=768, res=8)
        def test_it(subtests):
            for number in range(3):
                with subtests.test(number=number):
                    assert number >= 0
    """
    result = run(pytester, source)
    assert result.ret == 0
    assert [value for value in measured(result) if value] == [768]
