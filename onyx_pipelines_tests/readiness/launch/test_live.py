"""A bundle is held against servers that are asked again, from where it was brought."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.readiness.launch.bundle import open_bundle
from onyx_pipelines.readiness.launch.live import LookedAgain, look_again
from onyx_pipelines_tests.fixtures_sandbox import DEAD_URL
from onyx_pipelines_tests.readiness.launch.passing import bundled, content_of

BUNDLE: Final = open_bundle(bundled(content_of()))


class _Edge(http.server.BaseHTTPRequestHandler):
    """Answers everything alike."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def edge() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Edge) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def machine(folder: Path, url: str) -> Settings:
    return load_settings(
        {
            "state_dir": str(folder / "state"),
            "backup_dir": str(folder / "store"),
            "recipients_file": str(folder / "recipients.json"),
            "docs_url": url,
            "grafana_url": url,
            "public_url": url,
        }
    )


def failed(found: LookedAgain) -> set[str]:
    return {each.item_id for each in found.lapses}


def test_what_answers_as_it_did_holds_and_what_no_longer_does_is_named(
    tmp_path: Path, edge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = look_again(BUNDLE, machine(tmp_path, edge))
    monkeypatch.setattr(_Edge, "status", 502)
    ill = look_again(BUNDLE, machine(tmp_path, edge))

    assert "login-page-answers" not in failed(well)
    assert {"login-page-answers", "dashboards-answer"} <= failed(ill)
    # A header that is not there any more.
    assert "pages-are-not-framed" in failed(well)


def test_what_cannot_be_asked_from_there_is_said_and_is_no_lapse(tmp_path: Path) -> None:
    found = look_again(BUNDLE, machine(tmp_path, DEAD_URL))

    assert failed(found) == set()
    assert {"clock-is-right", "backups-are-well", "login-page-answers"} <= set(found.unseen)
