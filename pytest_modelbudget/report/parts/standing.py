"""How each entry stands, in one word, which ones a reader should meet first, and the sentence for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...values.result import Result

FAILING = ("over budget", "above its baseline", "not judged")
QUIET = ("within budget", "unchanged")
ORDER = (*FAILING, "grew", "not comparable", "new", "tighter", *QUIET)
"""Every standing, the most important first. The quiet ones may be folded away."""


def standing(result: Result) -> str:
    """One of `ORDER`: what became of an entry's budget, or of its cost since the baseline."""
    verdict, comparison = result.verdict, result.comparison
    if not verdict.passed:
        return (
            "over budget"
            if verdict.over or verdict.steep
            else "above its baseline"
            if verdict.regressed
            else "not judged"
        )
    if comparison is None:
        return "within budget"
    if comparison.status in ("new", "not comparable"):
        return comparison.status
    changes = comparison.changes(result.cost, result.module)
    if any(now > before for before, now in changes.values()):
        return "grew"
    return "tighter" if changes else "unchanged"


def ranked(results: Iterable[Result]) -> list[Result]:
    """The results by `ORDER`; of those that fail alike, the worst first."""
    return sorted(results, key=lambda result: (ORDER.index(standing(result)), -_severity(result)))


def _severity(result: Result) -> float:
    verdict = result.verdict
    return max([0.0, *(judged.severity for judged in verdict.over), *(r.severity for r in verdict.regressed)])


def sentence(results: Sequence[Result]) -> str:
    """``2 of 5 model budgets fail: 1 over budget, 1 above its baseline. 1 new, 1 can be tightened.``"""
    if not results:
        return "No model was measured."
    found = [standing(result) for result in results]
    failing = [f"{found.count(word)} {word}" for word in FAILING if word in found]
    passing = [
        f"{found.count(word)} {_SAYS.get(word, word)}" for word in ORDER if word in found and word not in FAILING
    ]
    number = sum(word in FAILING for word in found)
    if number:
        verb = "fails" if number == 1 else "fail"
        others = f" {', '.join(passing)}." if passing else ""
        return f"{number} of {_budgets(len(results))} {verb}: {', '.join(failing)}.{others}"
    holds = "The model budget holds" if len(results) == 1 else f"All {_budgets(len(results))} hold"
    return f"{holds}: {', '.join(passing)}."


_SAYS = {"tighter": "can be tightened", "grew": "grew within budget"}


def _budgets(number: int) -> str:
    return f"{number} model budget{'s' if number != 1 else ''}"
