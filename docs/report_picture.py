"""The picture of the HTML report in README.md and docs/reports.md: that of examples/review, in a headless Chromium.

    python docs/report_picture.py

Writes docs/images/report.png. Needs chromium, git and matplotlib.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.image

DOCS = Path(__file__).parent
WIDTH, HEIGHT = 1000, 1225
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")


def main() -> None:
    with TemporaryDirectory() as folder:
        played = Path(folder) / "played"
        subprocess.run(
            [sys.executable, DOCS.parent / "examples/review/play.py", played], check=True, capture_output=True
        )
        picture = Path(folder) / "report.png"
        page = played / "repository/report.html"
        size = f"--window-size={WIDTH},{HEIGHT + 200}"
        subprocess.run(
            ["chromium", *FLAGS, size, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True
        )
        pixels = matplotlib.image.imread(picture)[:HEIGHT, :, :3]
        matplotlib.image.imsave(DOCS / "images/report.png", pixels, metadata={"Software": None})


if __name__ == "__main__":
    main()
