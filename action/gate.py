"""Run the gate on the head, where asked for against the counted merge base. The exit status is that of pytest.

Everything comes by environment variables, as action.yml sets them, and nothing is given to a shell.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WRONG_USAGE = 2
ORIGINS = Path(__file__).absolute().parent / "origins/modelbudget_origins.py"
"""The plugin that notes where the modules of a run came from."""


class Refused(Exception):
    """The gate cannot run as asked; the text says why, and what to change."""


def main() -> int:
    """Run it; the status to exit with."""
    reports = Path(os.environ["RUNNER_TEMP"], "modelbudget").absolute()
    shutil.rmtree(reports, ignore_errors=True)  # those of an earlier use in the same job
    reports.mkdir(parents=True)
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.write(f"reports={reports}\n")
    try:
        return gate(reports)
    except Refused as refused:
        log("error", str(refused))
        return WRONG_USAGE


def gate(reports: Path) -> int:
    """Run pytest on the head; its status. Raises `Refused`."""
    command = words("COMMAND") + words("ARGS")
    program = shutil.which(command[0]) if command else None
    if program is None:
        raise Refused(f"command: {shlex.join(command[:1]) or 'nothing'} is not there. Install pytest in a step before.")
    command[0] = str(Path(program).absolute())  # the same one in the folder of the merge base
    options = [f"--budget-report={reports / name}" for name in ("report.json", "report.md", "report.html")]
    if setting("FAIL_ON"):
        options.append(f"--budget-tolerance={setting('FAIL_ON')}")
    baseline = find_baseline(command, reports)
    if baseline is not None:
        options.append(f"--budget-baseline={baseline}")
    return subprocess.run([*command, *options], check=False).returncode


def find_baseline(command: list[str], reports: Path) -> Path | None:
    """The file to compare with; ``None`` for the project's own. Raises `Refused`."""
    asked = setting("BASELINE")
    if asked != "merge-base":
        if asked and not Path(asked).is_file():
            raise Refused(f"baseline: {asked} is no file, and not merge-base. Leave it out for modelbudget.json.")
        return Path(asked).absolute() if asked else None
    target = setting("TARGET").removeprefix("refs/heads/")
    if not target:
        log("notice", "This is no pull request and has no merge base: costs are compared with the committed baseline.")
        return None
    base = merge_base(target)
    file = reports / "merge-base.json"
    problem = count(base, command, file)
    if not file.exists():
        log("warning", f"The merge base {base} was not counted: {problem}. The committed baseline is used instead.")
        return None
    if problem:
        log("warning", f"The merge base {base} may be counted in part: {problem}.")
    return file


def merge_base(target: str) -> str:
    """The commit where ``HEAD`` left the target branch: not the branch's tip, which may have moved on."""
    found = git("merge-base", "HEAD", f"refs/remotes/origin/{target}")
    if found.returncode == 0:
        return found.stdout.strip()
    fix = "Give actions/checkout the input fetch-depth: 0, which brings the whole history."
    if git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        raise Refused(f"baseline: the merge base with {target} is not in this checkout, which is shallow. {fix}")
    raise Refused(f"baseline: no merge base with origin/{target} was found. {fix} {found.stderr.strip()}".strip())


def count(base: str, command: list[str], file: Path) -> str:
    """Record what the commit costs in ``file``; what went wrong, or an empty text.

    Raises `Refused` where the code that was counted is not the commit's own.
    """
    tree = file.parent.with_name("modelbudget-base")
    added = git("worktree", "add", "--force", "--detach", str(tree), base)
    if added.returncode != 0:
        return added.stderr.strip()
    here = tree / git("rev-parse", "--show-prefix").stdout.strip()
    say(f"::group::Counting the merge base {base}")
    try:
        with tempfile.TemporaryDirectory() as notes:
            full = [*command, "--budget-update", f"--budget-baseline={file}", "-p", ORIGINS.stem]
            status = subprocess.run(full, cwd=here, env=environment(here, tree, notes), check=False).returncode
            check_origins(Path(notes), tree)
    except OSError as error:
        return str(error)
    finally:
        say("::endgroup::")
        git("worktree", "remove", "--force", str(tree))
    return f"pytest ended with exit status {status}" if status else ""


def check_origins(notes: Path, tree: Path) -> None:
    """Raise `Refused`, with the remedy, if the merge base imported the head's code, as the plugin noted."""
    found = {name: file for one in sorted(notes.iterdir()) for name, file in json.loads(one.read_text()).items()}
    if not found:
        return
    name, file = min(found.items(), key=lambda item: (item[1].endswith("__init__.py"), item[0]))
    rest = f", and {len(found) - 1} more of its modules" if len(found) > 1 else ""
    raise Refused(
        f"baseline: the merge base was counted with code of the head, so nothing can be compared: {name} was imported "
        f"from {file}{rest}. Let Python look into the merge base first: give this step the environment variable "
        f"PYTHONPATH: {folder_of(name, file, tree)}, a path in this repository that is then taken in the merge base. "
        "If it has that, install the package without --editable. Or leave out baseline: merge-base, and commit "
        "modelbudget.json."
    )


def folder_of(name: str, file: str, tree: Path) -> str:
    """The folder of the merge base, relative to it, that a module would be imported from."""
    inside = name.replace(".", "/") + ("/__init__.py" if file.endswith("__init__.py") else ".py")
    files = [path.relative_to(tree).as_posix() for path in tree.rglob(Path(inside).name)]
    folders = [path.removesuffix(inside).rstrip("/") for path in files if f"/{path}".endswith(f"/{inside}")]
    return min(folders, key=len, default="its folder") or "."


def environment(here: Path, tree: Path, notes: str) -> dict[str, str]:
    """What the merge base runs in: its own code goes before the head's, and it writes no annotations or summary."""
    kept = {name: v for name, v in os.environ.items() if name not in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")}
    root = Path(git("rev-parse", "--show-toplevel").stdout.strip()).resolve()
    kept |= {"MODELBUDGET_HEAD": str(root), "MODELBUDGET_BASE": str(tree), "MODELBUDGET_ORIGINS": notes}
    paths = [here, here / "src", ORIGINS.parent]
    for entry in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        path = Path(entry).resolve()
        paths.append(tree / path.relative_to(root) if path.is_relative_to(root) else path)
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Call git, quietly. Raises `Refused` where there is none."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Refused(f"baseline: the merge base needs git: {error}.") from error


def words(name: str) -> list[str]:
    """A setting split as a shell splits it, with nothing expanded."""
    try:
        return shlex.split(setting(name))
    except ValueError as error:
        raise Refused(f"{name.lower()}: {error}: {setting(name)}") from error


def setting(name: str) -> str:
    """An input of the action."""
    return os.environ.get(f"MODELBUDGET_{name}", "").strip()


def log(level: str, text: str) -> None:
    """Write a workflow command; whatever is in the text, it is one."""
    say(f"::{level} title=Model budget::" + text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def say(line: str) -> None:
    """Write a line, before what the next process writes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
