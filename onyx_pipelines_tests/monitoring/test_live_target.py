"""`onyx doctor --metrics`: what an upgrade took away is named, by rule and by metric."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from onyx_pipelines.cli.app import app
from onyx_pipelines.monitoring.contract import UnreadableMetricsError
from onyx_pipelines.monitoring.live_target import judged, look

RECORDED = Path(__file__).parents[1] / "data" / "metrics"
REDIS = (RECORDED / "redis_exporter-1.88.0.txt").read_text(encoding="utf-8")
WITHOUT = REDIS.replace("redis_memory_max_bytes", "redis_memory_limit_bytes")

Serve = Callable[[str], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A page of metrics at an address."""
    servers: list[ThreadingHTTPServer] = []

    def begin(text: str) -> str:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if text else 404)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/metrics"

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_service_that_exposes_all_is_seen(serve: Serve) -> None:
    answer = CliRunner().invoke(app, ["doctor", "--metrics", serve(REDIS)])

    assert answer.exit_code == 0
    assert "Every alert that reads redis sees what it needs." in answer.output


def test_a_metric_that_an_upgrade_renamed_is_named_with_its_alert(serve: Serve) -> None:
    answer = CliRunner().invoke(app, ["doctor", "--metrics", serve(WITHOUT), "--json"])

    assert answer.exit_code == 1
    assert json.loads(answer.output)["blind"] == [
        {
            "job": "redis",
            "rule": "RedisMemoryHigh",
            "lacks": ["there is no redis_memory_max_bytes"],
        }
    ]


def test_another_service_is_no_fault() -> None:
    assert judged("something_else 1\n").blind == ()


@pytest.mark.parametrize("text", ["", "<html>sign in</html>"])
def test_a_page_that_is_none_is_one_clear_error(text: str, serve: Serve) -> None:
    with pytest.raises(UnreadableMetricsError):
        look(serve(text))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/metrics", "no address", "http://[::1"])
def test_an_address_that_is_none_is_one_clear_error(url: str) -> None:
    with pytest.raises(UnreadableMetricsError):
        look(url)
