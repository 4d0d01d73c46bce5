"""Takes docs/pictures/ anew: `make demo` first, and for `monitoring` `onyx sandbox up --monitoring`
and the job `observe_stack`; then `python -m docs.making.pictures [NAME ...]`.

Starts Dagster on the demo's sandbox, and opens its pages in Chromium.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from docs.making.pages import DOCS
from onyx_pipelines.core.names import Job
from onyx_pipelines.sandbox.ports import HOST, free_port

_WIDTH, _COLOURS = 1280, 128
_LOADED_S: Final = 120
_RUN_IDS: Final = "{... on Runs {results {runId}}}"
_LOCATION: Final = "locations/onyx_pipelines"
# Name → the page, the text that comes last when it is drawn, and the height. {run}: of the backup.
_PAGES: Final = {
    "run": ("runs/{run}", "Finished steps", 900),
    "asset": ("assets/backup_set", "compression_ratio", 900),
    "plots": ("assets/backup_set", "compression_ratio", 900),
    "drill": ("assets/restore_drill_report", "Restored from", 900),
    "automation": ("automation", "weekly_verification", 860),
    "load_test": (f"{_LOCATION}/asset-groups/load_test/lineage", "Passed", 860),
    "monitoring": (f"{_LOCATION}/asset-groups/monitoring/lineage", "Passed", 760),
    "lineage": (f"{_LOCATION}/asset-groups/backup/lineage", "3 / 3 Passed", 660),
    "launchpad": (f"{_LOCATION}/jobs/restore_from_backup/playground", "safety_backup", 660),
    "checks": ("assets/backup_set?view=checks", "Latest execution", 560),
}


def main() -> None:
    """Every picture, or those that are named, in the light colours of the UI."""
    wanted = {name: _PAGES[name] for name in sys.argv[1:] or _PAGES}
    with _dagster() as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        run = _run_of(url, Job.BACKUP)
        for name, (page, text, height) in wanted.items():
            picture = smaller(
                _shot(
                    chromium,
                    f"{url}/{page.format(run=run)}",
                    text,
                    height,
                    "Plots" if name == "plots" else "",
                )
            )
            (DOCS / "pictures" / f"{name}.png").write_bytes(picture)
        chromium.close()


@contextmanager
def _dagster() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "onyx_pipelines.sandbox.ui", "--port", str(port)]
    with subprocess.Popen(command) as process:
        try:
            url = f"http://{HOST}:{port}"
            _wait_for(url)
            yield url
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    transport = httpx.HTTPTransport(retries=60)
    with httpx.Client(transport=transport, trust_env=False, timeout=_LOADED_S) as client:
        client.get(f"{url}/server_info").raise_for_status()


def _run_of(url: str, job: str) -> str:
    query = f'{{runsOrError(filter: {{pipelineName: "{job}"}}, limit: 1) {_RUN_IDS}}}'
    with httpx.Client(trust_env=False, timeout=_LOADED_S) as client:
        answer = client.post(f"{url}/graphql", json={"query": query}).raise_for_status().json()
    return str(answer["data"]["runsOrError"]["results"][0]["runId"])


def _shot(chromium: Browser, url: str, text: str, height: int, button: str) -> bytes:
    context = chromium.new_context(viewport={"width": _WIDTH, "height": height})
    page = context.new_page()
    page.goto(url)
    page.get_by_text(text).first.wait_for(timeout=_LOADED_S * 1000)
    if button:
        page.get_by_role("button", name=button).first.click()
    # Graphs are laid out, and events counted, by workers of the page.
    page.wait_for_timeout(6000)
    picture = page.screenshot()
    context.close()
    return picture


def smaller(picture: bytes) -> bytes:
    """A UI has few colours: a third of the bytes."""
    smaller = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLOURS).save(
        smaller, "PNG", optimize=True
    )
    return smaller.getvalue()


if __name__ == "__main__":
    main()
