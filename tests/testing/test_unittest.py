"""Methods of ``unittest.TestCase``: pytest runs them through unittest, and a budget on one must hold all the same."""

from __future__ import annotations

import pytest
from suites import assert_clear, measured, outcomes, pixels, run


def case(body, *, before=""):
    lines = body.strip("\n").splitlines()
    return f"import unittest\n{before}\nclass TestIt(unittest.TestCase):\n" + "\n".join(f"    {line}" for line in lines)


@pytest.mark.parametrize(
    "body",
    [
        "@budget(flops={flops}, res=8)\ndef test_it(self):\n    return Pixels()",
        "@budget(model=Pixels, flops={flops}, res=8)\ndef test_it(self):\n    self.assertTrue(True)",
        "def setUp(self):\n    self.net = Pixels()\n\n"
        "@budget(flops={flops}, res=8)\ndef test_it(self):\n    return self.net",
    ],
    ids=["returned", "named", "from setUp"],
)
def test_the_limit_holds(pytester, body):
    within = run(pytester, case(body.format(flops=768)))
    assert outcomes(within) == {"passed": 1}
    assert measured(within) == [pixels(1, 8)]
    over = run(pytester, case(body.format(flops=767)))
    assert outcomes(over) == {"failed": 1}
    assert_clear(over, "over budget: flops 768 of 767")


def test_a_class_and_its_methods(pytester):
    body = """
def test_default(self): ...

@budget(res=4)
def test_own(self): ...
"""
    result = run(pytester, case(body, before="@budget(model=Pixels, flops='1M', res=8)"))
    assert outcomes(result) == {"passed": 2}
    assert measured(result) == [pixels(1, 8), pixels(1, 4)]


def test_a_fixture_by_name(pytester):
    before = "@pytest.fixture\ndef net():\n    return Pixels()\n"
    result = run(pytester, case("@budget(model='net', flops='1M', res=8)\ndef test_it(self): ...", before=before))
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(1, 8)]


def test_set_up_and_tear_down_run_around_the_body_once(pytester):
    body = """
calls = []

def setUp(self):
    self.calls.append("setUp")

def tearDown(self):
    self.calls.append("tearDown")

@budget(flops="1M", res=8)
def test_a(self):
    self.calls.append("test_a")
    return Pixels()

def test_b(self):
    assert self.calls == ["setUp", "test_a", "tearDown", "setUp"]
"""
    assert outcomes(run(pytester, case(body))) == {"passed": 2}


@pytest.mark.parametrize("named", ["", "model=Pixels, "])
@pytest.mark.parametrize(
    ("body", "expected", "message"),
    [
        ("def test_it(self):\n    self.assertEqual(1, 2)", {"failed": 1}, "AssertionError: 1 != 2"),
        ("def test_it(self):\n    raise OSError('no disk')", {"failed": 1}, "OSError: no disk"),
        ("def test_it(self):\n    self.skipTest('not here')", {"skipped": 1}, ""),
        ("def test_it(self):\n    raise unittest.SkipTest('not here')", {"skipped": 1}, ""),
        ("@unittest.skip('not here')\ndef test_it(self): ...", {"skipped": 1}, ""),
        ("@unittest.expectedFailure\ndef test_it(self):\n    self.assertEqual(1, 2)", {"xfailed": 1}, ""),
    ],
)
def test_a_body_that_does_not_pass_is_reported_as_itself(pytester, named, body, expected, message):
    """The budget of 1 would fail, and is not reached."""
    result = run(pytester, case(body.replace("def test_it", f"@budget({named}flops=1, res=8)\ndef test_it")))
    assert outcomes(result) == expected
    assert_clear(result, message)
    assert measured(result) == []
    assert "over budget" not in result.stdout.str()


@pytest.mark.parametrize("named", ["", "model=Pixels, "])
@pytest.mark.parametrize(
    ("set_up", "expected", "message"),
    [
        ("raise OSError('no disk')", {"failed": 1}, "OSError: no disk"),
        ("self.skipTest('not here')", {"skipped": 1}, ""),
    ],
)
def test_a_set_up_that_does_not_pass_measures_nothing(pytester, named, set_up, expected, message):
    body = f"def setUp(self):\n    {set_up}\n\n@budget({named}flops=1, res=8)\ndef test_it(self):\n    return Pixels()"
    result = run(pytester, case(body))
    assert outcomes(result) == expected
    assert_clear(result, message)
    assert measured(result) == []
    assert "model budgets" not in result.stdout.str()


def test_a_failing_tear_down_fails_the_test(pytester):
    body = """
def tearDown(self):
    raise OSError("no disk")

@budget(model=Pixels, flops="1M", res=8)
def test_it(self): ...
"""
    result = run(pytester, case(body))
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "OSError: no disk")


def test_no_model_is_said(pytester):
    result = run(pytester, case("@budget(flops=1, res=8)\ndef test_it(self): ..."))
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "no model: the test returned nothing")


def test_its_own_coroutines_are_measured_too(pytester):
    source = """
        import unittest

        class TestIt(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                self.net = Pixels()

            @budget(flops={flops}, res=8)
            async def test_it(self):
                return self.net
    """
    within = run(pytester, source.format(flops=768))
    assert outcomes(within) == {"passed": 1}
    assert measured(within) == [pixels(1, 8)]
    over = run(pytester, source.format(flops=767))
    assert outcomes(over) == {"failed": 1}
    assert_clear(over, "over budget: flops 768 of 767")


def test_a_coroutine_that_unittest_does_not_await_fails(pytester):
    """unittest would let it pass with a warning; its budget says that nothing ran."""
    result = run(pytester, case("@budget(model=Pixels, flops='1M', res=8)\nasync def test_it(self):\n    assert False"))
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "measured nothing: the test's own code was not run.")


def test_sub_tests(pytester):
    body = """
@budget(model=Pixels, flops=767, res=8)
def test_it(self):
    for number in range(2):
        with self.subTest(number=number):
            self.assertGreaterEqual(number, 0)
"""
    result = run(pytester, case(body))
    assert result.ret == 1
    assert_clear(result, "over budget: flops 768 of 767")
