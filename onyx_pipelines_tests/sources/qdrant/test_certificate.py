"""A Qdrant whose certificate nobody public signed: trusted if it is named, said clearly if not."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.core.errors import SettingsError, SourceError
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines_tests.fixtures_qdrant import QdrantServer
from onyx_pipelines_tests.notify.servers import self_signed


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path, "localhost")


@pytest.fixture
def behind_tls(qdrant_server: QdrantServer, certificate: Path) -> Iterator[int]:
    """A proxy that ends TLS before the server; its port."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on("GET")

        def do_POST(self) -> None:
            self._pass_on("POST")

        def _pass_on(self, method: str) -> None:
            url = qdrant_server.url + self.path
            answer = httpx.request(method, url, trust_env=False, timeout=60)
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def source(url: str, state: Path, ca_file: Path | None) -> QdrantSource:
    return QdrantSource(url, state_dir=state, ca_file=ca_file)


def test_that_is_named_is_trusted(behind_tls: int, certificate: Path, tmp_path: Path) -> None:
    found = source(f"https://localhost:{behind_tls}", tmp_path, certificate).describe()

    assert found.startswith("Qdrant ")


def test_that_is_not_named_is_not_trusted_and_not_asked_again(
    behind_tls: int, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        source(f"https://localhost:{behind_tls}", tmp_path, None).describe()

    assert "its certificate is not trusted (self-signed certificate)" in caught.value.what
    assert "ONYX_QDRANT_CA_FILE" in caught.value.remedy
    assert not caught.value.transient


def test_of_another_host_is_not_trusted(behind_tls: int, certificate: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="certificate is not trusted") as caught:
        source(f"https://127.0.0.1:{behind_tls}", tmp_path, certificate).describe()

    assert not caught.value.transient


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_that_holds_none_is_a_wrong_setting(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match=r"ca\.pem cannot be used"):
        source("https://localhost:1", tmp_path, path).describe()
