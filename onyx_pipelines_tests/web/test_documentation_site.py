"""The documentation site, in a real browser: nothing of it comes from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, expect

ROOT = Path(__file__).parents[2]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make site` builds it: a page in no navigation, or a dead link, fails."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_pages_and_diagrams_are_drawn_without_another_host(site: Path, browser: Browser) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    with serving(site) as url, browser.new_context() as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/index.html")
        expect(page.get_by_role("heading", name="onyx-pipelines")).to_be_visible()
        page.goto(f"{url}/architecture.html")
        # The theme puts each drawing into a closed shadow tree, in the place of the text.
        expect(page.locator("pre.mermaid")).to_have_count(0)
        expect(page.locator("div.mermaid").first).to_be_visible()

    assert complaints == []
    assert any(each.endswith("assets/mermaid.js") for each in asked)
    assert all(each.startswith((url, "data:", "blob:")) for each in asked)
