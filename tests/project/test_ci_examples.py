"""The GitHub actions, the CI examples and the pre-commit hook do what they say when they are run."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project.checkers import ROOT, check, load
from project.fake_github import BOT, REPOSITORY, TOKEN, Api, Outcome, clean_environment, run_action, serving

ACTION, COMMENT_ACTION = ROOT / "action.yml", ROOT / "action/comment/action.yml"
EXAMPLES = ROOT / "examples/ci"
WORKFLOWS = sorted(EXAMPLES.glob("github*.yml"))
GITLAB = EXAMPLES / "gitlab-ci.yml"
NAME = "pytest-modelbudget/pytest-modelbudget"
MARKER = "<!-- modelbudget -->"


def steps(file: Path) -> list[dict[str, Any]]:
    tree = load(file)
    return tree["runs"]["steps"] if "runs" in tree else [s for job in tree["jobs"].values() for s in job["steps"]]


def scripts() -> list[Any]:
    """Every shell script in our YAML."""
    found = {f"{f.relative_to(ROOT)}-{i}": s["run"] for f in FILES for i, s in enumerate(steps(f)) if "run" in s}
    job = load(GITLAB)["model-budget"]
    found |= {f"gitlab-{key}": "\n".join(job[key]) for key in ("before_script", "script")}
    found["hook"] = load(ROOT / ".pre-commit-hooks.yaml")[0]["entry"]
    return [pytest.param(text, id=name) for name, text in found.items()]


FILES = [ACTION, COMMENT_ACTION, *WORKFLOWS]


# ------------------------------------------------------------------------------------------------------ shell scripts


@pytest.mark.parametrize("script", scripts())
def test_shell(script):
    check("bash", "-n", stdin=script)
    check("shellcheck", "--shell=bash", "-", stdin=script)


@pytest.mark.parametrize("script", scripts())
def test_nothing_untrusted_is_pasted_into_a_script(script):
    assert "${{" not in script


# ------------------------------------------------------------------------------------- what the files say of each other


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflows_use_inputs_and_outputs_that_our_actions_have(file):
    actions = {NAME: load(ACTION), f"{NAME}/action/comment": load(COMMENT_ACTION)}
    used = [step for step in steps(file) if step.get("uses", "").startswith(NAME)]
    assert used
    for step in used:
        action = actions[step["uses"].partition("@")[0]]
        needed = {name for name, given in action["inputs"].items() if given.get("required") == "true"}
        assert needed <= set(step.get("with", {})) <= set(action["inputs"])
        for output in re.findall(rf"steps\.{step.get('id')}\.outputs\.(\w+)", file.read_text()):
            assert output in action["outputs"]


def test_the_fork_safe_comment_follows_the_workflow_and_takes_its_report():
    gate, comment = load(EXAMPLES / "github.yml"), load(EXAMPLES / "github-fork-safe-comment.yml")
    assert comment["on"]["workflow_run"]["workflows"] == [gate["name"]]
    upload, download = gate["jobs"]["budget"]["steps"][-1], comment["jobs"]["comment"]["steps"][0]
    assert upload["with"]["name"] == download["with"]["name"]


def test_the_fork_safe_comment_runs_nothing_of_the_pull_request():
    """It has a token that may write, so it must not check anything out, nor have a script of its own."""
    used = [step.get("uses", "a script").partition("@")[0] for step in steps(EXAMPLES / "github-fork-safe-comment.yml")]
    assert used == ["actions/download-artifact", f"{NAME}/action/comment"]


def test_tests_are_not_given_the_token():
    gate, comment = steps(ACTION)
    assert not any("token" in value for value in gate["env"].values())
    assert "inputs.token" in comment["env"]["MODELBUDGET_TOKEN"]


# ------------------------------------------------------------------------------------------------------ the comment


@pytest.fixture
def api():
    with serving() as api:
        yield api


def post(api: Api | str, tmp_path: Path, report: str | None = f"{MARKER}\nthe report\n", **env: str) -> str:
    """Run the script; its log, which is always one line. It must always succeed."""
    file = tmp_path / "report.md"
    if report is not None:
        file.write_text(report, encoding="utf-8")
    given = {"PULL_REQUEST": "7", "REPORT": str(file), "TOKEN": TOKEN, **env}
    url = api if isinstance(api, str) else api.url
    environment = clean_environment() | {f"MODELBUDGET_{name}": value for name, value in given.items()}
    environment |= {"GITHUB_API_URL": url, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_RUN_ID": "42"}
    environment |= {"GITHUB_SERVER_URL": "https://github.example"}
    script = ROOT / "action/comment/comment.py"
    done = subprocess.run([sys.executable, "-I", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    return line


def written(api: Api) -> list[str]:
    """The methods of the requests that changed something."""
    return [method for method, _ in api.requests if method != "GET"]


def test_a_first_report_is_a_new_comment(api, tmp_path):
    api.add(7, "hello")
    assert post(api, tmp_path) == f"::notice title=Model budget::Report posted: {api.url}/2"
    assert [comment["body"] for comment in api.comments[7]] == ["hello", f"{MARKER}\nthe report\n"]


def test_a_later_report_replaces_the_comment_on_whichever_page_it_is(api, tmp_path):
    for number in range(250):
        api.add(7, f"{MARKER}\nold" if number == 230 else f"comment {number}")
    post(api, tmp_path)
    assert written(api) == ["PATCH"]
    assert [c["id"] for c in api.comments[7] if c["body"] == f"{MARKER}\nthe report\n"] == [231]
    assert sum(c["body"].startswith("comment ") for c in api.comments[7]) == 249


@pytest.mark.parametrize(
    ("body", "author"),
    [
        pytest.param(f"{MARKER}\nall is fine", {"user": {"type": "User"}, "author_association": "NONE"}, id="stranger"),
        pytest.param(
            f"{MARKER}\nall is fine", {"user": {"type": "User"}, "author_association": "CONTRIBUTOR"}, id="contributor"
        ),
        pytest.param(f"{MARKER}\nall is fine", {"user": None, "author_association": "NONE"}, id="deleted account"),
        pytest.param(f"they write\n{MARKER}", BOT, id="marker in another line"),
        pytest.param(None, BOT, id="no text"),
    ],
)
def test_another_comment_is_left_alone(api, tmp_path, body, author):
    api.add(7, body, **author)
    post(api, tmp_path)
    assert written(api) == ["POST"]


def test_a_comment_that_a_maintainers_token_wrote_is_replaced(api, tmp_path):
    api.add(7, f"{MARKER}\r\nold", user={"type": "User"}, author_association="MEMBER")
    post(api, tmp_path)
    assert written(api) == ["PATCH"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("answer", "level"),
    [
        pytest.param((403, b"Resource not accessible by integration"), "notice", id="403"),
        pytest.param((404, b""), "notice", id="404"),
        pytest.param((500, b""), "warning", id="500"),
        pytest.param((200, b"<html>\xff"), "warning", id="no JSON"),
        pytest.param((200, b'"text"'), "warning", id="other JSON"),
    ],
)
def test_an_api_that_refuses_or_fails_is_only_logged(api, tmp_path, method, answer, level):
    api.answers[method] = answer
    assert post(api, tmp_path).startswith(f"::{level} title=Model budget::Report not posted: ")
    assert api.comments == {}


def test_a_refusal_names_the_permission(api, tmp_path):
    assert "pull-requests: write" in post(api, tmp_path, TOKEN="expired")


def test_no_connection_is_only_logged(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}", tmp_path).startswith("::warning ")


def test_without_a_token_nothing_is_asked(api, tmp_path):
    assert post(api, tmp_path, TOKEN="").endswith("Report not posted: there is no token.")
    assert api.requests == []


def test_a_run_that_left_no_report_says_so_in_place_of_the_old_one(api, tmp_path):
    api.add(7, f"{MARKER}\nall is fine")
    post(api, tmp_path, report=None)
    assert "Nothing was measured: [see the log of the run](" in api.comments[7][0]["body"]
    assert f"https://github.example/{REPOSITORY}/actions/runs/42" in api.comments[7][0]["body"]


def test_a_report_without_the_marker_gets_it(api, tmp_path):
    post(api, tmp_path, report="# costs\n")
    assert api.comments[7][0]["body"] == f"{MARKER}\n# costs\n"


def test_a_link_is_not_followed(api, tmp_path):
    """An artifact of a fork could hold one to /proc/self/environ, where the token is."""
    secret, link = tmp_path / "secret", tmp_path / "link.md"
    secret.write_text("the secret")
    link.symlink_to(secret)
    assert post(api, tmp_path, REPORT=str(link)).endswith("Report not posted: the report is a link.")
    assert api.requests == []


@pytest.mark.parametrize("letter", ["x", "é", "\N{BAR CHART}"])  # of 1, 2 and 4 bytes
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("| a |\n| --- |\n", "", id="table"),
        pytest.param("<details><summary>s</summary>\n\n", "</details>", id="fold"),
        pytest.param("<details><summary>s</summary>\n\n````text\n```\n", "````\n</details>", id="fence in a fold"),
    ],
)
def test_a_long_report_is_cut_between_lines_and_what_was_open_is_closed(api, tmp_path, letter, before, after):
    line = f"| {letter * 20} |\n"
    post(api, tmp_path, report=f"{MARKER}\n{before}{line * 5_000}")
    body = api.comments[7][0]["body"]
    assert 65_536 - 2 * len(line.encode()) < len(body.encode()) <= 65_536
    text, _, note = body.rpartition("\n\nCut here: ")
    assert note == "comments end at 64 kB. The whole report is in the summary of the run.\n"
    middle = text.removeprefix(f"{MARKER}\n{before}")
    kept = middle[: middle.rindex(line) + len(line)]
    assert kept == line * (len(kept) // len(line))
    assert middle.removeprefix(kept).split() == after.split()


@pytest.mark.parametrize("size", [65_536, 65_537])
def test_the_limit_is_exact(api, tmp_path, size):
    report = f"{MARKER}\n".ljust(size - 1, "x") + "\n"
    post(api, tmp_path, report=report)
    assert (api.comments[7][0]["body"] == report) is (size == 65_536)


def test_a_report_of_a_fork_goes_to_the_pull_request_with_that_head(api, tmp_path):
    api.pulls = [{"number": n, "head": {"sha": f"{n:040}"}} for n in range(1, 151)]
    report = tmp_path / "report.md"
    report.write_text(f"{MARKER}\nof a fork\n")
    values = {"inputs.report": str(report), "inputs.head-sha": f"{140:040}", "github.token": TOKEN}
    outcome = run_action(COMMENT_ACTION, workspace(tmp_path), values, GITHUB_API_URL=api.url)
    assert outcome.status == 0
    assert {pull: [c["body"] for c in found] for pull, found in api.comments.items()} == {
        140: [f"{MARKER}\nof a fork\n"]
    }


def test_a_script_that_cannot_even_start_fails_nothing(tmp_path):
    values = {"inputs.report": "r.md", "inputs.head-sha": "a", "inputs.python": "no-such-python", "github.token": TOKEN}
    outcome = run_action(COMMENT_ACTION, workspace(tmp_path), values)
    assert outcome.status == 0
    assert "no-such-python" in outcome.log
    assert [step.get("continue-on-error") for step in steps(ACTION)] == [None, "true"]


def test_a_report_on_a_head_that_has_moved_on_is_not_posted(api, tmp_path):
    api.pulls = [{"number": 1, "head": {"sha": "a" * 40}}]
    log = post(api, tmp_path, PULL_REQUEST="", HEAD_SHA="b" * 40 + "\n::error::%0A")
    assert log.startswith("::notice ")
    assert "%0A::error::%250A" in log
    assert written(api) == []


# --------------------------------------------------------------------------------------------------------- the gate

SUITE = {
    "nets/__init__.py": "",
    "nets/small.py": "from torch import nn\n\nWIDTH = {width}\n\n\ndef small():\n    return nn.Linear(4, WIDTH)\n",
    "tests/test_cost.py": """
from nets.small import small
from pytest_modelbudget import budget


@budget(model=small, inputs=("batch", 4))
def test_small(): ...
""",
}
ENTRY = "tests/test_cost.py::test_small"


def flops(width: int) -> int:
    """A linear layer from 4 to ``width``: so many outputs of 4 multiply-adds."""
    return 4 * width


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")
    command = ["git", "-C", str(folder), *identity, *arguments]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    """Write ``SUITE`` (``width=8``) or other files, and commit; the new commit."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--allow-empty", "-m", "change")
    return git(folder, "rev-parse", "HEAD")


def suite(width: int) -> dict[str, str]:
    return {name: text.replace("{width}", str(width)) for name, text in SUITE.items()}


def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "work space"
    folder.mkdir(exist_ok=True)
    return folder


def checkout(tmp_path: Path, branch: str = "topic", *options: str) -> Path:
    """What actions/checkout makes of ``origin``: one branch checked out, the others under ``origin/``."""
    folder = workspace(tmp_path)
    git(tmp_path, "clone", "--branch", branch, *options, f"file://{tmp_path}/origin", str(folder))
    return folder


@pytest.fixture
def origin(tmp_path):
    """A repository whose first commit, on ``main``, has a linear layer of 8 outputs; ``topic`` leaves there."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-b", "main")
    commit(folder, **suite(8))
    git(folder, "switch", "-c", "topic")
    return folder


def run_gate(
    folder: Path,
    api: Api | None = None,
    *,
    event: str = "pull_request",
    target: str = "main",
    queue: str = "",
    path: Path | None = None,
    **inputs: str,
) -> Outcome:
    """Run the action in a checkout; ``path`` is on Python's path, as the step before may have set it."""
    values = {f"inputs.{name.replace('_', '-')}": text for name, text in inputs.items()}
    values |= {"inputs.python": sys.executable, "github.token": TOKEN, "github.event_name": event}
    values |= {"github.base_ref": target, "github.event.merge_group.base_ref": queue}
    values |= {"github.event.pull_request.number": "7" if event == "pull_request" else ""}
    url = api.url if api else "http://127.0.0.1:9"
    return run_action(ACTION, folder, values, GITHUB_API_URL=url, PYTHONPATH=str(path or folder))


def results(outcome: Outcome) -> dict[str, Any]:
    report = json.loads(Path(outcome.outputs["reports"], "report.json").read_text())
    return {result["entry"]: result for result in report["results"]}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> str:
    """The baseline of a linear layer of 8 outputs, as ``pytest --budget-update`` writes it."""
    folder = tmp_path_factory.mktemp("recorded")
    for name, text in suite(8).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "--budget-update"]
    subprocess.run(command, cwd=folder, env=clean_environment(), check=True, stdout=subprocess.DEVNULL)
    return (folder / "modelbudget.json").read_text()


def test_what_costs_more_than_the_committed_baseline_is_stopped_after_it_is_posted(origin, tmp_path, api, recorded):
    commit(origin, **{**suite(16), "modelbudget.json": recorded})
    api.add(7, f"{MARKER}\nold")
    outcome = run_gate(checkout(tmp_path), api, args="-q 'tests'")
    assert outcome.status == 1
    assert results(outcome)[ENTRY]["cost"]["flops"] == flops(16)
    assert re.search(r"^::error file=tests/test_cost\.py,line=\d+", outcome.log, re.MULTILINE)
    (comment,) = api.comments[7]
    for text in (comment["body"], outcome.summary):
        assert text.startswith(f"{MARKER}\n### Model budgets\n")
        assert f"**{flops(16)}**<br>+100 %" in text
    assert sorted(path.name for path in Path(outcome.outputs["reports"]).iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]


def test_the_base_is_where_the_branch_left_its_target_and_not_the_targets_tip(origin, tmp_path, api):
    """The tip of the target costs more than the head, which costs more than the merge base.

    The target's name is one that a shell would run. The base counts its own code, though the head's is on the path,
    and neither its summary nor its work tree is left.
    """
    target = "$(touch${IFS}pwned)"
    base = git(origin, "rev-parse", "main")
    commit(origin, **suite(16))
    git(origin, "switch", "-c", target, "main")
    commit(origin, **suite(32))
    folder = checkout(tmp_path)
    outcome = run_gate(folder, api, baseline="merge-base", target=target)
    assert outcome.status == 1
    assert f"::group::Counting the merge base {base}\n" in outcome.log
    base_costs = json.loads(Path(outcome.outputs["reports"], "merge-base.json").read_text())["entries"]
    assert base_costs[ENTRY]["totals"]["flops"] == flops(8)
    assert f"**{flops(16)}**<br>+100 %" in api.comments[7][0]["body"]
    assert outcome.summary.count("### Model budgets") == 1
    assert not list(tmp_path.rglob("pwned"))
    assert git(folder, "worktree", "list").count("\n") == 0


def test_a_base_that_cannot_be_counted_is_said_and_the_committed_baseline_holds(origin, tmp_path, api, recorded):
    git(origin, "switch", "main")
    base = commit(origin, **{"conftest.py": "broken here"})
    git(origin, "switch", "-c", "repaired")
    commit(origin, **{"conftest.py": "", "modelbudget.json": recorded})
    outcome = run_gate(checkout(tmp_path, "repaired"), api, baseline="merge-base")
    assert outcome.status == 0
    assert f"::warning title=Model budget::The merge base {base} was not counted: pytest ended with exit status 4" in (
        outcome.log
    )
    assert results(outcome)[ENTRY]["comparison"]["status"] == "same"
    assert "holds" in api.comments[7][0]["body"]


SHOW = "python -c 'import sys; print(\"called with\", sys.argv[1:]); sys.exit(7)'"
"""A command in pytest's place, to see what the action does around it."""


def called_with(outcome: Outcome) -> list[list[str]]:
    return [eval(line) for line in re.findall(r"^called with (.*)$", outcome.log, re.MULTILINE)]


def test_arguments_are_split_as_by_a_shell_and_nothing_is_expanded(origin, tmp_path):
    args = """-k 'a or "b"' --x=$HOME $(touch pwned) `touch pwned` ; *"""
    outcome = run_gate(checkout(tmp_path), command=SHOW, args=args, fail_on="1%", comment="false")
    assert outcome.status == 7
    reports = Path(outcome.outputs["reports"])
    assert called_with(outcome) == [
        ["-k", 'a or "b"', "--x=$HOME", "$(touch", "pwned)", "`touch", "pwned`", ";", "*"]
        + [f"--budget-report={reports / name}" for name in ("report.json", "report.md", "report.html")]
        + ["--budget-tolerance=1%"]
    ]
    assert not list(tmp_path.rglob("pwned"))


def test_a_given_baseline_is_used_in_the_working_directory(origin, tmp_path):
    commit(origin, **{"models/costs.json": "{}"})
    folder = checkout(tmp_path)
    outcome = run_gate(folder, command=SHOW, baseline="costs.json", working_directory="models", comment="false")
    assert f"--budget-baseline={folder}/models/costs.json" in called_with(outcome)[0]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({}, id="pull request"),
        pytest.param({"event": "merge_group", "target": "", "queue": "refs/heads/main"}, id="merge queue"),
    ],
)
def test_the_base_of_a_merge_commit_is_the_tip_it_merged(origin, tmp_path, event):
    """actions/checkout takes the merge of the pull request into its target: what the target did is in it."""
    commit(origin, **suite(16))
    git(origin, "switch", "main")
    tip = commit(origin, **{"other.txt": ""})
    git(origin, "switch", "-c", "merged")
    git(origin, "merge", "--no-ff", "topic")
    outcome = run_gate(checkout(tmp_path, "merged"), command=SHOW, baseline="merge-base", comment="false", **event)
    assert f"::group::Counting the merge base {tip}\n" in outcome.log
    assert called_with(outcome)[0][0] == "--budget-update"


@pytest.fixture
def look(tmp_path):
    """A command in pytest's place that writes which ``place`` it has, in which folder, and records a baseline."""
    program = tmp_path / "look"
    program.write_text(f"""#!{sys.executable}
import os, pathlib, sys
import place
print("saw", os.path.basename(os.getcwd()), place.COMMIT)
files = [argument.split("=")[1] for argument in sys.argv if argument.startswith("--budget-baseline=")]
if "--budget-update" in sys.argv:
    pathlib.Path(files[0]).write_text("{{}}")
    sys.exit(place.STATUS)
""")
    program.chmod(0o755)
    return program


def saw(outcome: Outcome) -> list[str]:
    return re.findall(r"^saw (.*)$", outcome.log, re.MULTILINE)


@pytest.mark.parametrize(
    ("file", "on_path"),
    [
        pytest.param("place.py", "", id="root on the path"),
        pytest.param("lib/place.py", "lib", id="folder on the path"),
        pytest.param("place.py", "../installed", id="root and installed"),
        pytest.param("src/place.py", "../installed", id="src and installed"),
    ],
)
def test_the_base_is_counted_with_its_own_code(origin, tmp_path, look, file, on_path):
    """Also where the head's code is what is installed."""
    git(origin, "switch", "main")
    commit(origin, **{file: "COMMIT, STATUS = 'base', 0"})
    git(origin, "switch", "-c", "later")
    commit(origin, **{file: "COMMIT = 'head'"})
    folder = checkout(tmp_path, "later")
    (tmp_path / "installed").mkdir()
    shutil.copy(folder / file, tmp_path / "installed")
    outcome = run_gate(folder, command=f"'{look}'", baseline="merge-base", comment="false", path=folder / on_path)
    assert saw(outcome) == ["modelbudget-base base", "work space head"]
    assert outcome.status == 0


def test_the_base_runs_in_the_same_folder_with_the_same_program(origin, tmp_path, look):
    """A program in the checkout that git does not know of, as one in a virtual environment."""
    git(origin, "switch", "main")
    commit(origin, **{"models/place.py": "COMMIT, STATUS = 'base', 0"})
    git(origin, "switch", "-c", "later")
    folder = checkout(tmp_path, "main")
    shutil.copy(look, folder / "models/program")
    inputs = {"working_directory": "models", "path": folder / "models", "comment": "false"}
    outcome = run_gate(folder, command="./program", baseline="merge-base", **inputs)
    assert saw(outcome) == ["models base", "models base"]


PACKAGE = {
    "packages/nets/pyproject.toml": """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "my-nets"
version = "1"

[tool.hatch.build]
packages = ["lab"]
dev-mode-dirs = ["."]
""",
    "packages/nets/lab/nets/small.py": SUITE["nets/small.py"],
    "tests/test_cost.py": SUITE["tests/test_cost.py"].replace("from nets", "from lab.nets"),
}
"""A project in a folder of a repository; ``lab`` is a namespace that other projects may have a part of."""


def package(width: int) -> dict[str, str]:
    return {name: text.replace("{width}", str(width)) for name, text in PACKAGE.items()}


def environment(folder: Path) -> Path:
    """The Python of a new virtual environment that has this one's packages, to install into."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "ours.pth").write_text("\n".join([*ours, str(ROOT)]) + "\n")
    return folder / "bin/python"


def install(python: Path, *what: str) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", *what]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def grown(origin, tmp_path):
    """A checkout whose head has doubled the layer of ``lab.nets.small`` since the merge base."""
    git(origin, "switch", "main")
    git(origin, "rm", "-rq", ".")
    commit(origin, **package(8))
    git(origin, "switch", "-c", "grown")
    commit(origin, **package(16))
    return checkout(tmp_path, "grown")


@pytest.mark.parametrize("kind", ["editable", "copy", "wheel", "pth", "environment in the checkout"])
def test_a_base_that_imports_the_heads_code_is_refused_and_the_remedy_works(grown, tmp_path, kind):
    """However the head was installed: its code is not the merge base's, and nothing would ever be found to grow."""
    project, wheels = grown / "packages/nets", tmp_path / "wheels"
    python = environment((grown if kind == "environment in the checkout" else tmp_path) / ".venv")
    if kind == "pth":
        (site,) = python.parent.parent.glob("lib/*/site-packages")
        (site / "nets.pth").write_text(f"{project}\n")
    elif kind == "wheel":  # built elsewhere, it does not say where it came from
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
        subprocess.run(build, cwd=project, env=clean_environment(), check=True, capture_output=True)
        install(python, "--find-links", str(wheels), "my-nets")
    else:
        install(python, *([] if kind == "copy" else ["--editable"]), str(project))
    inputs = {"command": f"'{python}' -m pytest", "baseline": "merge-base", "comment": "false"}
    if kind == "environment in the checkout":
        inputs["args"] = "-n 1"  # another process imports
    refused = run_gate(grown, path=tmp_path / "nothing", **inputs)
    assert refused.status == 2
    assert "::error title=Model budget::baseline: the merge base was counted with code of the head" in refused.log
    assert "lab.nets.small was imported from" in refused.log
    assert "PYTHONPATH: packages/nets," in refused.log

    outcome = run_gate(grown, path=project, **inputs)
    assert outcome.status == 1
    assert results(outcome)[ENTRY]["comparison"]["before"]["flops"] == flops(8)
    assert results(outcome)[ENTRY]["cost"]["flops"] == flops(16)


def test_a_base_that_ran_with_failures_is_used_and_said(origin, tmp_path, look):
    git(origin, "switch", "main")
    base = commit(origin, **{"place.py": "COMMIT, STATUS = 'base', 1"})
    outcome = run_gate(checkout(tmp_path, "main"), command=f"'{look}'", baseline="merge-base", comment="false")
    assert (
        f"::warning title=Model budget::The merge base {base} may be counted in part: pytest ended with" in outcome.log
    )
    assert outcome.status == 0


def test_a_base_without_the_working_directory_is_said(origin, tmp_path):
    commit(origin, **{"models/place.py": ""})
    inputs = {"working_directory": "models", "comment": "false"}
    outcome = run_gate(checkout(tmp_path), command=SHOW, baseline="merge-base", **inputs)
    assert re.search("::warning title=Model budget::The merge base .* was not counted: .*models'", outcome.log)
    assert len(called_with(outcome)) == 1  # the head's
    assert "--budget-baseline" not in str(called_with(outcome))


def test_without_a_pull_request_there_is_no_merge_base_and_no_comment(origin, tmp_path, api):
    outcome = run_gate(checkout(tmp_path), api, command=SHOW, baseline="merge-base", event="push", target="")
    assert "::notice title=Model budget::This is no pull request" in outcome.log
    assert [call[:1] for call in called_with(outcome)] == [
        [f"--budget-report={outcome.outputs['reports']}/report.json"]
    ]
    assert api.requests == []


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        pytest.param({"baseline": "main"}, "baseline: main is no file, and not merge-base", id="baseline"),
        pytest.param({"command": "pytset"}, "command: pytset is not there", id="command"),
        pytest.param({"command": ""}, "command: nothing is not there", id="no command"),
        pytest.param({"args": "-k 'a"}, "args: No closing quotation", id="args"),
        pytest.param(
            {"baseline": "merge-base", "target": "gone"}, "no merge base with origin/gone was found", id="target"
        ),
    ],
)
def test_wrong_inputs_are_named(origin, tmp_path, api, inputs, said):
    outcome = run_gate(checkout(tmp_path), api, **inputs)
    assert outcome.status == 2
    assert f"::error title=Model budget::{said}" in outcome.log.replace("baseline: no merge", "no merge")
    assert "Nothing was measured" in api.comments[7][0]["body"]


def test_a_shallow_checkout_is_named_with_its_fix(origin, tmp_path):
    commit(origin, **suite(16))
    outcome = run_gate(checkout(tmp_path, "topic", "--depth=1"), baseline="merge-base", comment="false")
    assert outcome.status == 2
    assert "which is shallow. Give actions/checkout the input fetch-depth: 0" in outcome.log


def test_a_comment_that_fails_does_not_fail_the_gate(origin, tmp_path, api):
    api.answers["POST"] = (500, b"")
    outcome = run_gate(checkout(tmp_path), api, command="python -c 'pass'")
    assert outcome.status == 0
    assert written(api) == ["POST"]


# ------------------------------------------------------------------------------------------ GitLab and pre-commit


def test_the_gitlab_job_leaves_what_it_names(origin, tmp_path, recorded):
    folder = checkout(tmp_path)
    (folder / "modelbudget.json").write_text(recorded)
    job = load(GITLAB)["model-budget"]
    env = {**clean_environment(), "PYTHONPATH": str(folder)}  # its packages are installed before the script
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", "\n".join(job["script"])], cwd=folder, env=env, check=False)
    assert done.returncode == 0
    assert f'value="{flops(8)}"' in (folder / job["artifacts"]["reports"]["junit"]).read_text()
    assert re.search(
        rf"^[^#].* {flops(8)}$", (folder / job["artifacts"]["reports"]["metrics"]).read_text(), re.MULTILINE
    )
    (kept,) = job["artifacts"]["paths"]
    assert {path.name for path in (folder / kept).iterdir()} == {"report.html", "metrics.txt"}


@pytest.mark.parametrize(("changed", "ran"), [("nets/small.py", True), ("notes.txt", False)])
def test_the_hook_stops_a_push_that_costs_more(origin, tmp_path, recorded, changed, ran):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    git(hooks, "init")
    release = commit(hooks, **{".pre-commit-hooks.yaml": (ROOT / ".pre-commit-hooks.yaml").read_text()})
    config = load(EXAMPLES / "pre-commit-config.yaml")
    config["repos"][0] |= {"repo": str(hooks), "rev": release}
    commit(origin, **{".pre-commit-config.yaml": json.dumps(config), "modelbudget.json": recorded})
    folder = checkout(tmp_path)
    commit(folder, **{changed: suite(16)["nets/small.py"]})
    env = {**clean_environment(), "PRE_COMMIT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(folder)}
    command = ["pre-commit", "run", "--hook-stage=pre-push", "--from-ref=origin/topic", "--to-ref=HEAD"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ("above its baseline: flops 64, was 32" in done.stdout) is ran
    assert (done.returncode != 0) is ran
