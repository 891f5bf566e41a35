"""Keep one comment with the report on a pull request. The exit status is always 0: the gate does not depend on it.

Everything comes by environment variables, as the action.yml files set them. Only Python's own library is needed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

MARKER = "<!-- modelbudget -->"  # the first line, by which the comment is found again
LIMIT = 65_536  # GitHub counts characters; this counts bytes, of which there are never fewer
PAGE = 100
CUT = "\n\nCut here: comments end at 64 kB. The whole report is in the summary of the run.\n"
TRUSTED = ("OWNER", "MEMBER", "COLLABORATOR")


class Skipped(Exception):
    """There is nothing to post, or nobody to post it; the text says why."""


def main() -> int:
    """Post it, or say why not."""
    try:
        log("notice", f"Report posted: {post()}")
    except Skipped as skipped:
        log("notice", f"Report not posted: {skipped}")
    except HTTPError as error:
        log(*refusal(error))
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        log("warning", f"Report not posted: the API could not be used: {type(error).__name__}: {error}")
    return 0


def post() -> str:
    """Write the comment, a new one or in the place of the old; its address."""
    if not setting("TOKEN"):
        raise Skipped("there is no token.")
    body = comment()
    number = pull_request()
    issues = f"repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    for old in pages(f"{issues}/{number}/comments"):
        if is_ours(old):
            return str(call("PATCH", f"{issues}/comments/{int(old['id'])}", {"body": body})["html_url"])
    return str(call("POST", f"{issues}/{number}/comments", {"body": body})["html_url"])


def comment() -> str:
    """The report as a comment, or that there is none: an old one must not be taken for this run's."""
    path = Path(setting("REPORT"))
    if path.is_symlink():
        raise Skipped("the report is a link.")  # one in an artifact may lead to a secret
    if not path.is_file():
        run = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(os.environ)
        return f"{MARKER}\n### Model budgets\n\nNothing was measured: [see the log of the run]({run}).\n"
    text = path.read_text(encoding="utf-8", errors="replace")
    return cut(text if text.startswith(f"{MARKER}\n") else f"{MARKER}\n{text}")


def cut(text: str) -> str:
    """The text, if it is too long without its last lines; what they would have closed is closed."""
    if len(text.encode()) <= LIMIT:
        return text
    kept: list[str] = []
    closing: list[str] = []  # what is open after the lines kept, to be written in reverse
    left = LIMIT - len(CUT.encode())
    for line in text.splitlines(keepends=True):
        now = opened(line, closing)
        size = len(line.encode())
        if size + sum(len(end.encode()) for end in now) > left:
            break
        left -= size
        kept.append(line)
        closing = now
    return "".join([*kept, *reversed(closing), CUT])


def opened(line: str, closing: list[str]) -> list[str]:
    """What closes the fences and folds that are open after a line."""
    fence = line[: len(line) - len(line.lstrip("`"))]
    in_fence = bool(closing) and closing[-1].startswith("\n`")
    if in_fence:
        return closing[:-1] if line.rstrip() == closing[-1].strip() else closing
    if len(fence) >= 3:
        return [*closing, f"\n{fence}\n"]
    if line.startswith("<details"):
        return [*closing, "\n</details>\n"]
    return closing[:-1] if line.startswith("</details>") else closing


def pull_request() -> int:
    """The number of the pull request: of this event, or the one whose head was measured."""
    if setting("PULL_REQUEST"):
        return int(setting("PULL_REQUEST"))
    sha = setting("HEAD_SHA")
    newest = {"state": "open", "sort": "updated", "direction": "desc"}
    for pull in pages(f"repos/{os.environ['GITHUB_REPOSITORY']}/pulls", **newest):
        if pull["head"]["sha"] == sha:
            return int(pull["number"])
    raise Skipped(f"no open pull request has the head {sha}; it may have moved on.")


def is_ours(comment: dict[str, Any]) -> bool:
    """Whether it begins with the marker, and somebody wrote it who may: not whoever can comment here."""
    user = comment["user"] or {}  # none: the account is gone
    written_by_us = user.get("type") == "Bot" or comment["author_association"] in TRUSTED
    return written_by_us and (comment["body"] or "").split("\n", 1)[0].strip() == MARKER


def pages(path: str, **query: str) -> Iterator[dict[str, Any]]:
    """Every item of a list that comes in pages."""
    page = 0
    while True:
        page += 1
        items = call("GET", f"{path}?{urlencode({**query, 'per_page': PAGE, 'page': page})}")
        yield from items
        if len(items) < PAGE:
            return


def call(method: str, path: str, data: dict[str, str] | None = None) -> Any:
    """Ask the API; what it answers."""
    request = Request(
        f"{os.environ['GITHUB_API_URL'].rstrip('/')}/{path}",
        method=method,
        data=None if data is None else json.dumps(data).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {setting('TOKEN')}",
            "Content-Type": "application/json",
            "User-Agent": "pytest-modelbudget",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def refusal(error: HTTPError) -> tuple[str, str]:
    """How loud to be about an answer that is no success, and what to say."""
    answer = f"HTTP {error.code} {error.reason}"
    if error.code in (401, 403, 404):
        return "notice", (
            f"Report not posted: the token may not comment here ({answer}). Pull requests from forks have no token "
            "that may; for others give the job the permission pull-requests: write. The report is in the summary."
        )
    return "warning", f"Report not posted: the API failed ({answer}). The report is in the summary."


def setting(name: str) -> str:
    """What the action passes on."""
    return os.environ.get(f"MODELBUDGET_{name}", "").strip()


def log(level: str, text: str) -> None:
    """Write a workflow command; whatever is in the text, it is one."""
    data = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    sys.stdout.write(f"::{level} title=Model budget::{data}\n")


if __name__ == "__main__":
    sys.exit(main())
