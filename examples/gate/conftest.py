"""torchvision's wheel beside another build of torch does not import; this declares what it misses.

With builds of torch and torchvision that belong together, delete this file.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import torchvision_ops

torchvision_ops.install()
