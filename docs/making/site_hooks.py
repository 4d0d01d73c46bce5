"""What MkDocs does not do by itself: pages from outside of docs/, diagrams without another host."""

from __future__ import annotations

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

_ROOT: Final = Path(__file__).parents[2]
_PAGES_OF_THE_ROOT: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_EXAMPLES: Final = _ROOT / "reports" / "examples"
_MERMAID: Final = "assets/mermaid.js"
# Of dist/mermaid.min.js in npm's mermaid 11.16.0, which the wheel holds as it is.
_MERMAID_SHA256: Final = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"


def on_files(files: Files, config: Any) -> Files:
    """The repository's own pages, the example reports, and mermaid."""
    for name in _PAGES_OF_THE_ROOT:
        files.append(File.generated(config, name, abs_src_path=str(_ROOT / name)))
    for path in sorted(_EXAMPLES.rglob("report*.*")):
        place = f"examples/{path.relative_to(_EXAMPLES)}"
        files.append(File.generated(config, place, abs_src_path=str(path)))
    files.append(File.generated(config, _MERMAID, abs_src_path=str(_mermaid())))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links between the root and docs/, which lie beside each other on the site."""
    if page.file.src_uri in _PAGES_OF_THE_ROOT:
        return markdown.replace("](docs/", "](")
    markdown = re.sub(r"\]\(\.\./([A-Z]+\.md)", r"](\1", markdown)
    return markdown.replace("](../reports/examples/", "](examples/")


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Mermaid where there is a diagram: the theme takes the one that is there already."""
    if 'class="mermaid"' not in output:
        return output
    up = "../" * page.file.dest_uri.count("/")
    script = f'<script src="{up}{_MERMAID}"></script>\n'
    before, mark, after = output.rpartition("<script src=")
    if not mark:
        raise PluginError(f"{page.file.src_uri}: the theme's own script is not where it was.")
    return f"{before}{script}{mark}{after}"


def _mermaid() -> Path:
    package = find_spec("mermaidx")
    if package is None or package.origin is None:
        raise PluginError("The extra `docs` is not installed: `make install`.")
    path = Path(package.origin).parent / "assets" / "mermaid.js"
    if hashlib.sha256(path.read_bytes()).hexdigest() != _MERMAID_SHA256:
        raise PluginError(f"{path} is not npm's mermaid 11.16.0.")
    return path
