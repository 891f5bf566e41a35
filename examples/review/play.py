"""Plays a pull request in a repository of its own: the change, the gate that stops it, the review, what is accepted.

    python examples/review/play.py [FOLDER]

Leaves the repository and its reports in FOLDER, an empty or a new one; without it, in one that is removed again.
Succeeds only if each step did what README.md says.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
STOPPED = 1  # the exit code of pytest for failed tests, and of modelbudget diff for costs that grew
LIMITS = 'flops="2.5G", params="550k"', 'flops="6.5G", params="950k"'  # before the review, and after it


class Failed(Exception):
    """A step did something else than it should."""


class Repository:
    """A repository in which commands run as they do for anybody: nobody's git settings, no CI, no other plugins."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True)
        foreign = ("GIT_", "PYTEST_", "GITHUB_", "CI", "BUILD_NUMBER")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "COLUMNS": "100",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_PLUGINS": "pytest_modelbudget.plugin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
        }

    def take(self, version: str) -> None:
        """Put the files of a version, ``base`` or ``head``, into the working tree."""
        for source in (*(HERE / version).glob("*.py"), HERE / "base" / "pytest.ini"):
            (self.folder / source.name).write_bytes(source.read_bytes())

    def git(self, *arguments: str, day: str = "2025-03-03") -> str:
        """Run git as one author on one day, and return what it says."""
        when = f"{day}T12:00:00+00:00"
        who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _AUTHOR.items()}
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        environment = {**self._environment, **who, **dates}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, check=False, encoding="utf-8"
        )
        if done.returncode != 0:
            raise Failed(f"git {shlex.join(arguments)}: {done.stderr}")
        return done.stdout

    def run(self, command: str, *, want: int = 0, says: tuple[str, ...] = ()) -> None:
        """Show a command and what it prints. It must end with the exit code ``want``, and ``says`` is in it."""
        tool, *arguments = shlex.split(command)
        module = {"pytest": ["pytest", "-p", "no:cacheprovider"], "modelbudget": ["pytest_modelbudget.cli"]}[tool]
        done = subprocess.run(
            [sys.executable, "-m", *module, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            encoding="utf-8",
        )
        print(f"$ {command}\n{done.stdout.strip()}\n", flush=True)
        missing = [text for text in says if text not in done.stdout]
        if done.returncode != want or missing:
            raise Failed(f"{command}: exit code {done.returncode}, want {want}; not said: {missing}")


_AUTHOR = {"NAME": "A. Author", "EMAIL": "author@example.org"}


def play(folder: Path) -> None:
    """The whole story, step by step. Raises `Failed`."""
    repository = Repository(folder / "repository")
    baseline, test = repository.folder / "modelbudget.json", repository.folder / "test_cost.py"
    gate = "pytest --no-header -rN"

    say("main: the models, their budgets, and what they cost, recorded and committed")
    repository.git("init", "--quiet")
    repository.git("checkout", "--quiet", "-b", "main")
    repository.take("base")
    repository.run(f"{gate} --budget-update", says=("3 added",))
    repository.git("add", ".")
    repository.git("commit", "--quiet", "--message", "Outline defects at 256 x 256")

    say("the pull request: the net sees more of its surroundings, and more of the photograph")
    repository.git("checkout", "--quiet", "-b", "context")
    repository.take("head")
    reports = " ".join(f"--budget-report report{suffix}" for suffix in (".json", ".md", ".html"))
    recorded = baseline.read_bytes()
    repository.run(f"{gate} {reports}", want=STOPPED, says=("over budget", "above its baseline", "unchanged"))
    check(baseline.read_bytes() == recorded, "a run without --budget-update changed the baseline")

    say("the review: what grew, by how much, and what for")
    repository.run(
        "modelbudget diff modelbudget.json report.json --fail-on 1%",
        want=STOPPED,
        says=("architecture", "resolution 2.25x (256 -> 384)"),
    )

    say("accepted: the limits are raised in the test, the rest is recorded, and all of it is in the same commit")
    text = test.read_text(encoding="utf-8")
    check(LIMITS[0] in text, "the limits are not where they were")
    test.write_text(text.replace(*LIMITS), encoding="utf-8")
    repository.run(f"{gate} --budget-update", says=("2 changed", "1 unchanged"))
    repository.git("add", "model.py", "test_cost.py", "modelbudget.json")
    repository.git("commit", "--quiet", "--message", "See more context, at 384 x 384", day="2025-03-06")
    repository.run(gate, says=("3 passed",))

    say("merged: what the models have cost, from commit to commit")
    repository.git("checkout", "--quiet", "main")
    merge = "Merge the wider view"
    repository.git("merge", "--quiet", "--no-ff", "--message", merge, "context", day="2025-03-07")
    repository.run("modelbudget history", says=("Outline defects", merge, "256", "384"))


def say(text: str) -> None:
    """Say what comes now."""
    print(f"# {text}\n", flush=True)


def check(holds: bool, problem: str) -> None:
    """Raise `Failed` with the problem if something does not hold."""
    if not holds:
        raise Failed(problem)


def normal(text: str) -> str:
    """A text without what differs from one play to the next: it can be compared with that of another.

    That is versions, ids of commits, seconds and folders.
    """
    text = re.sub(r"^(report: ).*/", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r'("(?:plugin|torch)_version": )"[^"]*"', r'\1"1.0"', text)
    text = re.sub(r"(pytest-modelbudget |torch )(`?)\d[\w.+]*\w", r"\g<1>\g<2>1.0", text)
    text = re.sub(r"^(\d{4}-\d\d-\d\d  )[0-9a-f]{10}", r"\g<1>0123456789", text, flags=re.MULTILINE)
    return re.sub(r"=+ (.*) in [\d.]+s(?: \(.*\))? =+", r"== \1 ==", text)


def main(arguments: list[str]) -> int:
    """Play, and return the exit code."""
    try:
        if arguments:
            play(Path(arguments[0]).absolute())
        else:
            with tempfile.TemporaryDirectory() as folder:
                play(Path(folder))
    except (Failed, OSError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    print("# each step did what it should")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
