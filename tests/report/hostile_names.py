"""Names that would be markup, commands or control characters somewhere, and a report that has one wherever it can."""

from __future__ import annotations

from dataclasses import replace

import report_samples as samples

from pytest_modelbudget.values.growth import Growth, ModuleChange
from pytest_modelbudget.values.run import Report

NAMES = {
    "pipe": "a|b|c\\|d\\",
    "backticks": "`code` ```fence``` `",
    "script": "<script>alert(1)</script>",
    "closing tags": "</code></summary></details></td></table><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "comment": "<!-- modelbudget --> --> <!--",
    "entities": "&lt;b&gt; &#60;script&#62; &amp;",
    "command": "::error file=x,line=1::pwned",
    "old command": "##[error]pwned ##[add-mask]x",
    "newlines": "one\ntwo\r\nthree\n::warning::four\n# EOF\n| a | b |\n```\n</details>",
    "encoded newline": "%0A::error::pwned%0D%25",
    "separators": "a,line=99,title=x:y",
    "right to left": "abc\u202egnp.exe\u2066\u2069\u200f",
    "invisible": "zero\u200bwidth\ufeff\u00ad\u2028\u2029\x85",
    "ansi": "\x1b[31mred\x1b[0m\x1b]8;;http://x\x07link",
    "control": "null\x00bell\x07back\x08tab\tend\x7f",
    "mention": "@torvalds @org/team #123 GH-1 user@example.org",
    "link": "[click](javascript:alert(1)) <http://evil.example> http://evil.example www.evil.example",
    "image": "![img](http://evil.example/x.png)",
    "markdown": "# h\n* b\n> q\n1. n\n~~s~~ **b** _i_ $x^2$ :smile: [^1] - [ ] ---",
    "label": 'a="b",c="d"} 1\n# HELP x',
    "template": "{{ 7*7 }} {% raw %} {# c #}",
    "surrogate": "half \udcff pair",
    "long": "x" * 100_000 + "<script>",
    "empty": "",
}


def report(name: str) -> Report:
    """A failing entry with the name wherever a name, a path or a reason can stand, and one that cannot be compared."""
    own = f"c{name}"  # an empty name would be the model's
    change = ModuleChange("changed", own, name, name, 10**9, 2 * 10**9, own, name, f"{name},", name)
    renamed = ModuleChange("renamed", own, name, name, 10**9, 10**9, own, name, name, name)
    factor = samples.Factor(name, 10**9, 2 * 10**9, name, f"{name}1")
    growth = Growth("flops", 10**9, 2 * 10**9, (factor,), (change, renamed), name or "x")
    inner = samples.module(f"m{name}".replace(".", "_"), name, 10**9, 10**6, name)
    cost = samples.cost(
        samples.SMALL, name, samples.module("", name, 2 * 10**9, 10**6, name), inner, notes=(name or "x",)
    )
    verdict = samples.verdict(cost, {"flops": 10**9}, problems=(name or "x", f"x\n    {name}"), warnings=(name,))
    comparison = samples.Comparison("changed", name, samples.totals(cost, flops=10**9), samples.SMALL, growth)
    failing = replace(samples.result(name, cost, verdict, comparison), path=name)
    other = replace(samples.OTHER, entry=f"other {name}", comparison=replace(samples.OTHER.comparison, reason=name))
    kept = samples.rows(samples.module("", name, 10**9, 1, name), samples.module(inner.name, name, 10**9, 1, name))
    return Report(name, name or "x", "fvcore", (failing, other), {name: kept})
