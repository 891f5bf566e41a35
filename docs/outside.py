"""For the site: what a page links to outside of this folder. Pictures come along, other files lead to the repository.

So links are relative in every page, and lead somewhere in a clone, in the repository on the web, and on the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, relpath
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

PICTURES = (".png", ".svg")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead each link that leaves the folder to where its file is for a reader of the site."""
    docs, root = Path(config.docs_dir), Path(config.config_file_path).parent

    def led(link: re.Match[str]) -> str:
        path = (docs / page.file.src_uri).parent.joinpath(link["path"]).resolve()
        if path.is_relative_to(docs):
            return link[0]
        if not path.exists():
            raise PluginError(f"{page.file.src_uri} links to {link['path']}, which is not there.")
        name = path.relative_to(root).as_posix()
        if path.suffix not in PICTURES:
            kind = "tree" if path.is_dir() else "blob"
            return f"]({config.repo_url.rstrip('/')}/{kind}/main/{name}{link['anchor'] or ''})"
        if files.get_file_from_path(name) is None:
            files.append(File.generated(config, name, abs_src_path=str(path)))
        return f"]({relpath(name, dirname(page.file.src_uri) or '.')})"

    return re.sub(r"\]\((?P<path>(?:\.\./)+[^)#\s]+)(?P<anchor>#[^)\s]*)?\)", led, markdown)
