"""What GitHub does around an action: an API that keeps comments, and the running of a composite action's steps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

TOKEN = "the-token"
REPOSITORY = "octo/nets"
BOT = {"user": {"type": "Bot"}, "author_association": "NONE"}


@dataclass
class Api:
    """The state of one repository: comments by pull request, open pull requests, and how requests fail."""

    url: str = ""
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # by method, instead of the right ones

    def add(self, pull: int, body: str | None, **author: Any) -> dict[str, Any]:
        number = 1 + sum(map(len, self.comments.values()))
        comment = {"id": number, "body": body, "html_url": f"{self.url}/{number}", **(author or BOT)}
        self.comments.setdefault(pull, []).append(comment)
        return comment

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], data: Any, token: str) -> tuple[int, Any]:
        self.requests.append((method, path))
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        if method in self.answers:
            return self.answers[method]
        found = re.fullmatch(rf"/repos/{REPOSITORY}/(pulls|issues/comments/(\d+)|issues/(\d+)/comments)", path)
        if found is None:
            return 404, {"message": "Not Found"}
        comment, pull = (int(text) if text else None for text in found.groups()[1:])
        if method == "PATCH" and comment:
            old = next(c for cs in self.comments.values() for c in cs if c["id"] == comment)
            return 200, old | {"body": old.update(body=data["body"]) or data["body"]}
        if method == "POST" and pull:
            return 201, self.add(pull, data["body"])
        if method == "GET":
            size, page = (int(query[name][0]) for name in ("per_page", "page"))
            items = self.comments.get(pull, []) if pull else self.pulls
            return 200, items[size * (page - 1) : size * page]
        return 405, {}


@contextmanager
def serving() -> Iterator[Api]:
    """An API on 127.0.0.1, for as long as the block runs."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            data = json.loads(body) if body else None
            status, answer = api.answer(self.command, parts.path, parse_qs(parts.query), data, token)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Outcome:
    """What an action left: the status of the step that failed it, or 0, its log, outputs and the job's summary."""

    status: int
    log: str
    outputs: dict[str, str]
    summary: str


def run_action(file: Path, workspace: Path, values: Mapping[str, str], **env: str) -> Outcome:
    """Run the steps of a composite action as the runner does.

    ``values`` are what expressions may name: ``inputs.comment``, ``github.event_name``, ...; any other is an error.
    """
    action = yaml.safe_load(file.read_text(encoding="utf-8"))
    temp = workspace.parent / "runner temp"
    temp.mkdir(exist_ok=True)
    defaults = {f"inputs.{name}": str(given.get("default", "")) for name, given in action["inputs"].items()}
    known = {**defaults, **values}
    known |= {name: fill(value, known) for name, value in known.items()}  # a default may be an expression
    summary = temp / "summary"
    environment = {**clean_environment(), "GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_REPOSITORY": REPOSITORY}
    environment |= {
        "GITHUB_WORKSPACE": str(workspace),
        "RUNNER_TEMP": str(temp),
        "GITHUB_ACTION_PATH": str(file.parent),
    }
    environment |= {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_SERVER_URL": "https://github.example"}
    environment |= {"GITHUB_RUN_ID": "42", **env}
    status, log, outputs = 0, "", {}
    for step in action["runs"]["steps"]:
        condition = step.get("if", "${{ success() }}")
        if status and "cancelled()" not in condition:
            continue  # a condition that does not ask for the status means: and success()
        if fill(condition, known) != "true":
            continue
        output = temp / "output"
        output.write_text("")
        own = {name: fill(value, known) for name, value in step["env"].items()}
        script = temp / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=workspace / fill(step.get("working-directory", "."), known),
            env={**environment, **own, "GITHUB_OUTPUT": str(output)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        log += done.stdout
        outputs |= dict(line.split("=", 1) for line in output.read_text().splitlines())
        known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in outputs.items()}
        status = status or (0 if step.get("continue-on-error") else done.returncode)
    return Outcome(status, log, outputs, summary.read_text() if summary.exists() else "")


def fill(text: str, known: Mapping[str, str]) -> str:
    """The text with its ``${{ expressions }}`` replaced, as far as the actions use them: ``&& || ! == 'text' name``."""

    def value(match: re.Match[str]) -> str:
        python = re.sub(r"[a-z]+(\.[\w-]+)+", lambda name: repr(known[name[0]]), match[1])
        python = (
            python.replace("!cancelled()", "True")
            .replace("success()", "True")
            .replace("&&", " and ")
            .replace("||", " or ")
            .strip()
        )
        found = eval(python, {"__builtins__": {}})
        return str(found).lower() if isinstance(found, bool) else str(found)

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def clean_environment() -> dict[str, str]:
    """This environment without what a CI service or a test run put there, and with this Python's programs first."""
    ours = ("GITHUB_", "RUNNER_", "PYTEST_", "MODELBUDGET_", "PYTHONPATH", "CI", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    faster = {"PYTEST_ADDOPTS": "-p no:hypothesispytest"}  # which takes as long to load as torch
    return {**kept, **faster, "PATH": programs, "no_proxy": "127.0.0.1", "GIT_CONFIG_GLOBAL": os.devnull}
