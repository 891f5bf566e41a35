"""``python -m pytest_modelbudget.cli``: the command, where it is not on the path."""

import sys

from . import main

sys.exit(main())
