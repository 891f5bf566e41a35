"""``--junitxml``: every number as a property, the message as the failure's text, and always well-formed XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from suites import outcomes, run


def cases(pytester, source, *options):
    """The test cases of the XML that a run of ``source`` writes, by name."""
    run(pytester, source, "--junitxml=junit.xml", *options)
    root = ElementTree.parse(pytester.path / "junit.xml").getroot()
    return {case.get("name"): case for case in root.iter("testcase")}


def pairs(case):
    return [(p.get("name"), p.get("value")) for p in case.iter("property")]


def test_every_number_is_a_property(pytester):
    """12 weights of 4 bytes; 4 outputs for each of 8 * 8 pixels; alive at once: weights, 3 * 8 * 8 inputs, outputs."""
    source = """
        @budget(flops="1k", params=12, res=8)
        def test_it():
            return Pixels()
    """
    assert pairs(cases(pytester, source)["test_it"]) == [
        ("modelbudget.flops", "768"),
        ("modelbudget.flops.limit", "1000"),
        ("modelbudget.macs", "768"),
        ("modelbudget.params", "12"),
        ("modelbudget.params.limit", "12"),
        ("modelbudget.trainable_params", "12"),
        ("modelbudget.activations", "256"),
        ("modelbudget.weights", "48"),
        ("modelbudget.memory", str(48 + 3 * 64 * 4 + 4 * 64 * 4)),
        ("modelbudget.point", "batch 1, res 8, infer"),
        ("modelbudget.convention", "fvcore"),
        ("modelbudget.executed", "meta"),
    ]


def test_several_points_are_told_apart_by_their_entries(pytester):
    source = """
        @budget(flops="1M", res=8)
        @budget(flops="1M", res=4, name="small")
        def test_it():
            return Pixels()
    """
    found = dict(pairs(cases(pytester, source)["test_it"]))
    assert found["modelbudget[test_cost.py::test_it].flops"] == "768"
    assert found["modelbudget[small].flops"] == "192"


def test_the_failure_is_the_message(pytester):
    source = """
        @budget(flops=700, res=8)
        def test_it():
            return Pixels()
    """
    case = cases(pytester, source)["test_it"]
    failure = case.find("failure")
    assert failure.get("message") == failure.text or failure.get("message").startswith("Failed: over budget: flops 768")
    assert failure.text.startswith("over budget: flops 768 of 700 (+10 %)")
    assert "where  layer  Conv2d  768  100 %  models.py:7" in failure.text
    assert ("modelbudget.flops", "768") in pairs(case)


def test_the_users_own_properties_stay(pytester):
    source = """
        @budget(model=Pixels, flops="1M", res=8)
        def test_it(record_property):
            record_property("modelbudget.note", "mine")
    """
    found = pairs(cases(pytester, source)["test_it"])
    assert found[0] == ("modelbudget.note", "mine")
    assert ("modelbudget.flops", "768") in found


STRANGE = [
    "a<b>&\"c\"'d'",
    "]]>",
    "nul \x00, bell \x07, escape \x1b[31m, delete \x7f",
    "line\nbreak\ttab\rreturn",
    "right-to-left \u202e, zero width \u200b, separator \u2028",
    "no character \ufffe \uffff",
    "half a pair \ud800",
    "é 日本 🚀",
]


@pytest.mark.parametrize("name", STRANGE, ids=range(len(STRANGE)))
def test_strange_names_leave_the_xml_well_formed(pytester, name):
    """As a budget's name, as a parameter's id, and as the message of an error."""
    source = f"""
        class Broken(nn.Module):
            def forward(self, image):
                raise ValueError({name!r})

        @pytest.mark.parametrize("res", [8, 4], ids=[{name!r}, "other"])
        @budget(model=Pixels, flops=700, name={name!r})
        @budget(model=Pixels, flops=700, batch=2, name={name + "2"!r})
        def test_it(res): ...

        @budget(model=Broken, flops=1, res=8)
        def test_broken(): ...
    """
    found = cases(pytester, source)
    assert len(found) == 3
    assert [case.find("failure") is not None for case in found.values()] == [True, False, True]
    assert all(len(pairs(case)) > 10 for name, case in found.items() if name != "test_broken")


def test_strange_module_names_stay_on_their_lines(pytester):
    source = """
        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.add_module("evil\\x1b[2J\\n<module>", nn.Conv2d(3, 4, 1, bias=False))

            def forward(self, image):
                return next(self.children())(image)

        @budget(model=Odd, flops=1, res=8)
        def test_it(): ...
    """
    text = cases(pytester, source)["test_it"].find("failure").text
    assert "where  evil\\x1b[2J\\n<module>  Conv2d" in text


def test_a_passing_test_has_no_failure(pytester):
    source = """
        @budget(model=Pixels, flops="1M", res=8)
        def test_it(): ...
    """
    assert cases(pytester, source)["test_it"].find("failure") is None
    assert outcomes(run(pytester, source)) == {"passed": 1}
