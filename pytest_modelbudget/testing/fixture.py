"""The fixture ``model_cost``: `measure` bound to a test, its results reported with those of the test's budgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..errors import BudgetError
from ..values.arguments import Arguments, explicit
from ..values.cost import Cost
from ..values.request import Request
from .case import case_of
from .markers import budgets_now
from .state import CONFIG, RESULTS, baseline_of


@pytest.fixture
def model_cost(request: pytest.FixtureRequest) -> Callable[..., Cost]:
    """Measure a model inside a test: ``model_cost(model, batch=1, res=224)`` gives a Cost, and is reported."""
    from ..counting.measure import count
    from ..gate.evaluate import observe

    item, config = request.node, request.config.stash[CONFIG]

    @explicit(Arguments)
    def model_cost(model: Any, *, name: str | None = None, **arguments: Any) -> Cost:
        __tracebackhide__ = True
        try:
            asked = Request.of(**{**config.settings(), **arguments})
            cost = count(model, asked)
        except BudgetError as error:  # it says whose error it is, and where: our own frames would only hide that
            raise error.with_traceback(None) from None
        try:
            baseline = baseline_of(request.config)
        except BudgetError:  # the run says so, and fails, when it ends
            baseline = {}
        results = item.stash.setdefault(RESULTS, [])
        number = len(results) + len(budgets_now(item))  # the first names are those of the test's markers
        results.append(observe(model, asked, cost, name, number, case_of(item), config, baseline))
        return cost

    return model_cost
