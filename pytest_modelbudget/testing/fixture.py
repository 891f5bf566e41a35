"""The fixture ``model_cost``: `measure` bound to a test, its results reported with those of the test's budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ..errors import BudgetError
from ..judging.budget import parse_budget
from ..sources.call import calling
from ..targets.find import target_of
from ..values.arguments import CostArguments, explicit
from ..values.cost import Cost
from ..values.metrics import metric_names
from ..values.request import Request
from .case import case_of
from .markers import budgets_now
from .places import PLACES, with_places
from .state import CONFIG, RESULTS, WISHES, baseline_of


@pytest.fixture
def model_cost(request: pytest.FixtureRequest) -> Callable[..., Cost]:
    """Measure a model inside a test: ``model_cost(model, batch=1, res=224)`` gives a Cost, and is reported.

    Limits, such as ``flops="4.2G"``, fail the test when it ends.
    """
    from ..counting.measure import count
    from ..gate.evaluate import observe
    from ..gate.filling import wishes

    item, config = request.node, request.config.stash[CONFIG]

    @explicit(CostArguments)
    def model_cost(
        model: Any, *, args: Mapping[str, Any] | None = None, name: str | None = None, **arguments: Any
    ) -> Cost:
        __tracebackhide__ = True
        places = request.config.stash.get(PLACES, None)
        call = calling(frozenset(), places.digests) if places is not None else None
        limits = {metric: arguments.pop(metric) for metric in metric_names() if metric in arguments}
        try:
            found = target_of(model, args, request.config.rootpath)
            asked = Request.of(**{**config.settings(), **found.usual(arguments), **arguments})
            device = {"device": arguments["device"]} if arguments.get("device") is not None else {}
            budget = parse_budget((), {**with_places(limits, call), **device, "name": name})
            cost = count(found.model, asked)
        except BudgetError as error:  # it says whose error it is, and where: our own frames would only hide that
            raise error.with_traceback(None) from None
        try:
            baseline = baseline_of(request.config)
        except BudgetError:  # the run says so, and fails, when it ends
            baseline = {}
        results = item.stash.setdefault(RESULTS, [])
        number = len(results) + len(budgets_now(item))  # the first names are those of the test's markers
        results.append(observe(found.model, asked, cost, budget, number, case_of(item), config, baseline))
        item.stash.setdefault(WISHES, []).extend(wishes([budget], results[-1:], config))
        return cost

    return model_cost
