from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, sync_playwright

from onyx_pipelines_tests.dagster_server import DagsterServer, dagster_web_server
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.web.nginx import Proxy, nginx

# No look-ups outside of the machine.
_QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]


@pytest.fixture(scope="module")
def writable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterServer]:
    with dagster_web_server(tmp_path_factory.mktemp("dagster")) as server:
        yield server


@pytest.fixture(scope="module")
def read_only(writable: DagsterServer) -> Iterator[DagsterServer]:
    """The guests' instance: the same home, another port."""
    with dagster_web_server(writable.home, "--read-only", name="guests") as server:
        yield server


@pytest.fixture(scope="module")
def health() -> Iterator[str]:
    """Stands for the API: says what it is sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(str(self.headers).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory,
    writable: DagsterServer,
    read_only: DagsterServer,
    health: str,
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(
        folder,
        dagster=writable.url.removeprefix("http://"),
        guests=read_only.url.removeprefix("http://"),
        api=health,
    ) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program("chromium"), args=_QUIET)
        yield found
        found.close()


@dataclass
class OtherSite:
    """Somebody else's page. `page`: its HTML; `asked`: what was asked of it."""

    url: str = ""
    page: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def other_site() -> Iterator[OtherSite]:
    site = OtherSite()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(site.page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.url = f"http://evil.test:{server.server_address[1]}"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()
