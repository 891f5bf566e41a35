"""What ``modelbudget count`` prints, read back."""

from __future__ import annotations

import json

from pytest_modelbudget import Cost
from pytest_modelbudget.cli.command import main


def cost(capsys, *arguments):
    """The cost that ``--json`` prints."""
    assert main(["count", *arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return Cost.from_dict(json.loads(out))
