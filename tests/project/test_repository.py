"""The repository around the package: workflows and forms are valid, what stands twice agrees, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from project.checkers import ROOT, check, load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
HOOKS = load(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOME = "https://github.com/pytest-modelbudget/pytest-modelbudget"
MANUAL = "https://pytest-modelbudget.readthedocs.io"


# ------------------------------------------------------------------------------------- what runs before a commit

FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*", ".ci/*", ".github/**/*", "action/**/*", "examples/**/*")
    for path in ROOT.glob(pattern)
    if path.is_file()
)
"""The files that are no code of the package, its tests or benchmarks."""


def lint() -> list[str]:
    """The commands of ``make lint``, as hooks have them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]


def matching(hook: dict[str, Any]) -> list[str]:
    return [file for file in FILES if re.search(hook["files"], file)]


CHECKERS = [hook for hook in HOOKS if hook["entry"] not in lint()]


def test_a_commit_is_checked_by_all_of_make_lint():
    assert set(lint()) <= {hook["entry"] for hook in HOOKS}


@pytest.mark.parametrize("hook", CHECKERS, ids=lambda hook: hook["id"])
def test_hook(hook):
    """Each passes on the files that it is for, run from this environment in the place of .venv."""
    here = f"{Path(sys.executable).parent}/"
    assert matching(hook)
    check(*shlex.split(hook["entry"].replace(".venv/bin/", here)), *matching(hook))


def test_every_file_that_a_service_reads_has_a_hook():
    checked = {file for hook in CHECKERS for file in matching(hook)}
    others = {file for file in FILES if re.search(r"\.ya?ml$", file)} - checked
    assert others == {".github/zizmor-examples.yml", "mkdocs.yml"}  # the checker reads the one, `make docs` the other
    assert ".ci/run" in checked


# ------------------------------------------------------------------------------------------------------ workflows


def uses(file: Path) -> list[tuple[str, str]]:
    """Every ``uses:`` of a file, with what stands behind it."""
    return re.findall(r"\buses: *(\S+) *(.*)", file.read_text(encoding="utf-8"))


def test_workflows_run_actions_at_a_commit_whose_version_stands_beside_it():
    found = {pair for file in WORKFLOWS for pair in uses(file)}
    others = {pair for pair in found if not pair[0].startswith("$/")}
    assert len(found) - len(others) == 1
    for action, version in others:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r"# v\d+\.\d+\.\d+", version), action
    assert len({action.partition("@")[0] for action, _ in others}) == len(others)  # one version of each


def test_the_job_that_may_publish_runs_nothing_of_the_repository():
    """A build script or a test could otherwise publish in our name."""
    jobs = {(file.name, name): job for file in WORKFLOWS for name, job in load(file)["jobs"].items()}
    may = {place for place, job in jobs.items() if "write" in job["permissions"].values()}
    assert may == {("release.yml", "publish")}
    publish = jobs["release.yml", "publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert [step.get("uses", "a script").partition("@")[0] for step in publish["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]


def matrix() -> dict[str, dict[str, str]]:
    rows = load(GITHUB / "workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]["include"]
    return {row["versions"]: row for row in rows}


def test_the_lowest_versions_tested_are_those_that_the_package_allows():
    lowest = matrix()["lowest"]
    assert PROJECT["requires-python"] == f">={lowest['python']}"
    needed = sorted(dependency.partition(";")[0] for dependency in PROJECT["dependencies"])
    assert needed == sorted(lowest["constraints"].replace("==", ">=").split())


def test_the_newest_versions_tested_are_those_of_development():
    newest = matrix()["newest"]
    assert set(newest) == {"versions", "python"}
    pythons = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d", name)]
    assert newest["python"] == pythons[-1]
    assert matrix()["lowest"]["python"] == pythons[0]


def test_development_pins_all_that_it_names():
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    named = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    named += [one for one in (ROOT / "docs/requirements.txt").read_text(encoding="utf-8").splitlines() if one[0] != "#"]
    names = {re.match(r"[\w-]+", one)[0] for one in named}
    assert names - {"pytest-modelbudget"} <= set(pinned)


# ---------------------------------------------------------------------------------------------------------- links

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
)


def links(file: Path) -> list[str]:
    """Where the links and pictures of a Markdown file lead."""
    inline = [child for token in MarkdownIt().parse(file.read_text(encoding="utf-8")) for child in token.children or ()]
    targets = [child.attrs.get("href") or child.attrs.get("src") for child in inline]
    return [str(target) for target in targets if target]


def headings(file: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a Markdown file."""
    tokens = MarkdownIt().enable("table").parse(file.read_text(encoding="utf-8"))
    texts = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def in_the_repository(target: str, beside: Path) -> Path | None:
    """The file that a link leads to; ``None`` for one that leads elsewhere."""
    ours = re.fullmatch(rf"{HOME}/(?:blob|tree)/main/([^#]*)", target.partition("#")[0])
    if ours is not None:
        return ROOT / ours[1]
    path = target.partition("#")[0]
    return None if "://" in target or target.startswith("mailto:") else (beside / path if path else None)


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_links_lead_to_something(file):
    for target in links(file):
        found = in_the_repository(target, file.parent)
        assert found is None or found.exists(), target
        anchor = target.partition("#")[2]
        if anchor and (found is not None or target.startswith("#")):
            assert anchor in headings(found or file), target


def test_the_package_index_shows_where_the_project_is():
    assert PROJECT["urls"]["Source"] == HOME
    for name, url in PROJECT["urls"].items():
        found = in_the_repository(url, ROOT)
        assert found.exists() if found is not None else url in (HOME, f"{HOME}/issues", MANUAL), name


def test_the_architecture_names_what_is_there():
    """Files and folders of the package, and of the repository where they do not lie in the package."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w/.]+)`", text) if name.endswith((".py", "/")) or "/" in name}
    assert len(named) > 30
    assert {n for n in named if not (ROOT / "pytest_modelbudget" / n).exists() and not (ROOT / n).exists()} == set()
