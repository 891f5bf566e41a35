"""The repository's files as tests look at them: YAML read as it stands, and checkers run on it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from project.fake_github import clean_environment

ROOT = Path(__file__).parents[2]


def load(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)  # or "on" would be true


def check(*command: str | Path, stdin: str | None = None) -> None:
    """Run a checker that was installed beside this Python, or with the system."""
    program = shutil.which(str(command[0]), path=clean_environment()["PATH"])
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
