"""This package side by side with the other counters: `python -m benchmarks` writes `benchmarks/results/`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import torchvision_ops

torchvision_ops.install()  # torchvision's wheel beside a build of torch that it was not made for
