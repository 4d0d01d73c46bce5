"""What is there is told as it is: of Compose files, ports, addresses, settings, people."""

from __future__ import annotations

import http.server
import ssl
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.readiness.launch import verification as way
from onyx_pipelines.readiness.launch.facts import SeenCompose, SeenService
from onyx_pipelines.readiness.launch.looking import of_compose, of_here, of_host, of_servers
from onyx_pipelines.readiness.launch.looking.unable import UnableError
from onyx_pipelines_tests.fixtures_sandbox import DEAD_URL
from onyx_pipelines_tests.notify.servers import self_signed

GOOD = """
services:
  onyx:
    image: onyx@sha256:0123
    restart: unless-stopped
    healthcheck: {test: [CMD, "true"]}
    mem_limit: 2g
    logging: {driver: local}
    ports: ["127.0.0.1:8080:8080"]
"""


def stack(tmp_path: Path, **files: str) -> SeenCompose:
    for name, text in files.items():
        (tmp_path / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return of_compose.compose(load_settings({"recipe": (tmp_path,), "docker_host": ""}))


class TestComposeFiles:
    def test_a_service_that_is_as_it_has_to_be(self, tmp_path: Path) -> None:
        assert stack(tmp_path, compose_yaml=GOOD).services == (
            SeenService(
                name="onyx",
                image="onyx@sha256:0123",
                restarts=True,
                has_healthcheck=True,
                has_memory_limit=True,
                logs_rotate=True,
            ),
        )

    def test_a_service_of_which_nothing_is_said(self, tmp_path: Path) -> None:
        seen = stack(tmp_path, compose_yaml="services: {db: {image: 'postgres:16'}}")

        assert seen.services == (SeenService(name="db", image="postgres:16"),)

    @pytest.mark.parametrize(
        ("port", "published"),
        [
            ("5432:5432", "0.0.0.0:5432"),
            ("10.0.0.1:5432:5432/tcp", "10.0.0.1:5432"),
            ("127.0.0.1:5432:5432", None),
            ("[::1]:5432:5432", None),
            ("5432", None),
            ("${PORT:-6333}:6333", "0.0.0.0:6333"),
            ("{target: 80, published: 8080}", "0.0.0.0:8080"),
            ("{target: 80, published: 8080, host_ip: 127.0.0.1}", None),
        ],
    )
    def test_a_port_that_others_reach(
        self, tmp_path: Path, port: str, published: str | None
    ) -> None:
        quoted = port if port.startswith("{") else f"'{port}'"
        seen = stack(tmp_path, compose_yaml=f"services: {{db: {{ports: [{quoted}]}}}}")

        assert seen.services[0].published == ((published,) if published else ())

    def test_a_later_file_wins(self, tmp_path: Path) -> None:
        later = "services: {onyx: {image: 'onyx:latest'}}"

        seen = stack(tmp_path, compose_yaml=GOOD, override_yml=later)

        assert (seen.services[0].image, seen.services[0].restarts) == ("onyx:latest", True)

    def test_what_is_deployed_by_its_own_words_counts_too(self, tmp_path: Path) -> None:
        deployed = "{restart_policy: {condition: any}, resources: {limits: {memory: 1g}}}"

        seen = stack(tmp_path, compose_yaml=f"services: {{onyx: {{deploy: {deployed}}}}}")

        assert (seen.services[0].restarts, seen.services[0].has_memory_limit) == (True, True)

    def test_an_image_is_named_as_the_env_file_fills_it(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("TAG=1@sha256:0123\n", encoding="utf-8")

        seen = stack(tmp_path, compose_yaml="services: {onyx: {image: 'onyx:${TAG}'}}")

        assert seen.services[0].image == "onyx:1@sha256:0123"

    def test_a_secret_that_everybody_knows_is_named_and_not_shown(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("POSTGRES_PASSWORD=postgres\nLEVEL=test\n")
        written = "services: {litellm: {environment: [LITELLM_MASTER_KEY=sk-1234]}}"

        seen = stack(tmp_path, compose_yaml=written)

        assert seen.weak == (
            f"POSTGRES_PASSWORD in {tmp_path / '.env'}",
            "LITELLM_MASTER_KEY in service litellm",
        )
        assert "sk-1234" not in seen.model_dump_json()

    @pytest.mark.parametrize("text", ["services: [", "services: 1", "- a", "", "\0"])
    def test_what_is_no_compose_file_has_no_services(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(UnableError, match="ONYX_RECIPE"):
            stack(tmp_path, compose_yaml=text)

    def test_a_file_of_any_other_form_breaks_nothing(self, tmp_path: Path) -> None:
        odd = "services: {a: {ports: [{}, 1, null], deploy: 1, logging: x, environment: 3}}"

        assert stack(tmp_path, compose_yaml=odd).services[0].name == "a"


def listening(tmp_path: Path, *addresses: tuple[str, int, str]) -> list[tuple[int, str]]:
    """What is told where the kernel lists these: address as it writes it, port, state."""
    folder = tmp_path / "net"
    folder.mkdir()
    rows = [f" 0: {address}:{port:04X} 0:0 {state} 0" for address, port, state in addresses]
    for name, length in (("tcp", 8), ("tcp6", 32)):
        own = [row for row in rows if len(row.split()[1].split(":")[0]) == length]
        (folder / name).write_text("\n".join(["head", *own]), encoding="ascii")
    seen = of_host.listening_ports(tmp_path)
    return [(each.port, each.address) for each in seen.listening]


def kernel(*words: int) -> str:
    """An address as the kernel writes it on this machine."""
    return "".join(f"{struct.unpack('=I', struct.pack('>I', word))[0]:08X}" for word in words)


class TestPorts:
    def test_one_on_all_addresses_is_reached_by_others(self, tmp_path: Path) -> None:
        assert listening(tmp_path, (kernel(0), 443, "0A")) == [(443, "0.0.0.0")]

    def test_one_on_loopback_is_not(self, tmp_path: Path) -> None:
        loopback = (0x7F000001, (0, 0, 0, 1), (0, 0, 0xFFFF, 0x7F000001))
        rows = [
            (kernel(*(each if isinstance(each, tuple) else (each,))), 5432, "0A")
            for each in loopback
        ]

        assert listening(tmp_path, *rows) == []

    def test_a_connection_is_none(self, tmp_path: Path) -> None:
        assert listening(tmp_path, (kernel(0), 443, "01")) == []

    def test_ipv6_is_told_too(self, tmp_path: Path) -> None:
        assert listening(tmp_path, (kernel(0, 0, 0, 0), 6333, "0A")) == [(6333, "::")]


@pytest.mark.parametrize("figure", [*way.HostFigure][:-1])
def test_this_machine_says_every_figure(figure: way.HostFigure) -> None:
    asked = way.OfHost(kind="host", figure=figure, holds_if=">= 0")

    seen = of_host.host(load_settings(), asked)

    assert seen.value is not None
    assert seen.value >= 0


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Frames are denied, a cookie is set, /docs has playbooks, / leads to https."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_page = self.path.endswith("INCIDENTS.html")
            self.send_response(301 if self.path == "/" else 200)
            self.send_header("Location", "https://onyx.example.org/")
            self.send_header("X-Frame-Options", "DENY")
            self.send_header("Set-Cookie", "session=s3cret")
            self.end_headers()
            self.wfile.write(b'<a id="ssl-expiry"></a>' if is_page else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def endpoint(**more: object) -> way.OfEndpoint:
    given = {"kind": "endpoint", "base": "public_url", "status": [200], **more}
    return way.OfEndpoint.model_validate(given)


class TestAddresses:
    def test_only_the_headers_that_are_asked_about_are_kept(self, site: str) -> None:
        asked = endpoint(path="{login_path}", headers={"x-frame-options": ".", "x-none": "."})

        seen = of_servers.endpoint(load_settings({"public_url": f"{site}/"}), asked)

        assert (seen.url, seen.status) == (f"{site}/auth", 200)
        assert seen.headers == {"x-frame-options": "DENY"}

    def test_a_redirect_is_not_followed(self, site: str) -> None:
        asked = endpoint(path="/", headers={"location": "."})

        seen = of_servers.endpoint(load_settings({"public_url": site}), asked)

        assert (seen.status, seen.headers["location"][:8]) == (301, "https://")

    def test_one_that_does_not_answer_is_named_without_its_password(self) -> None:
        settings = load_settings({"public_url": DEAD_URL.replace("//", "//ada:s3cret@")})

        with pytest.raises(UnableError) as told:
            of_servers.endpoint(settings, endpoint())

        assert "127.0.0.1:9/ does not answer" in str(told.value)
        assert "s3cret" not in str(told.value)

    def test_playbooks_that_a_page_lacks_are_named(self, site: str) -> None:
        seen = of_servers.playbooks(load_settings({"docs_url": f"{site}/docs"}))

        assert [each.url for each in seen.pages] == [f"{site}/docs/INCIDENTS.html"]
        assert "llm-service-down" in seen.pages[0].lacks
        assert "ssl-expiry" not in seen.pages[0].lacks

    def test_a_certificate_needs_an_address_with_https(self, site: str) -> None:
        with pytest.raises(UnableError, match="ONYX_PUBLIC_URL"):
            of_servers.certificate(load_settings({"public_url": site}))


class TestSettings:
    def test_names_are_told_and_no_value(self) -> None:
        asked = way.OfSettings(kind="settings", any_of=("slack_webhook_url", "smtp_host"))
        settings = load_settings({"slack_webhook_url": "https://hooks.example.org/s3cret"})

        seen = of_here.settings_given(settings, asked)

        assert seen.given == ("ONYX_SLACK_WEBHOOK_URL",)
        assert seen.missing == ("ONYX_SMTP_HOST",)

    def test_one_of_several_fields_is_asked_by_its_name(self) -> None:
        settings = load_settings({"alert_receivers": {"watchdog_url": "https://hc.example.org"}})

        assert of_here.is_given(settings, "alert_receivers.watchdog_url")
        assert not of_here.is_given(load_settings(), "alert_receivers.watchdog_url")

    def test_of_stores_all_copies_have_to_be_locked(self) -> None:
        def locked(*days: int) -> bool:
            stores = [
                {"name": f"s{at}", "url": f"/s{at}", "lock_days": each}
                for at, each in enumerate(days)
            ]
            return of_here.is_given(load_settings({"stores": stores}), "stores.lock_days")

        assert locked(0, 35)
        assert not locked(0, 35, 0)
        assert not locked(0)


def test_a_database_that_does_not_answer_is_an_error_with_a_remedy() -> None:
    settings = load_settings({"pg_host": "127.0.0.1", "pg_port": 9})
    asked = way.OfDatabase(kind="database", query="SELECT 1", holds_if="== 1")

    with pytest.raises(OnyxError) as told:
        of_servers.database(settings, asked)

    assert told.value.remedy


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An address, and the certificate that it shows."""
    own = self_signed(tmp_path_factory.mktemp("tls"), "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", own
    server.shutdown()
    server.server_close()
    thread.join()


class TestCertificate:
    def test_one_that_nobody_trusts_is_a_problem(self, secured: tuple[str, Path]) -> None:
        seen = of_servers.certificate(load_settings({"public_url": secured[0]}))

        assert (seen.host, seen.ends_at) == ("localhost", None)
        assert "self" in seen.problem

    def test_one_that_is_trusted_says_when_it_ends(
        self, secured: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusting = ssl.create_default_context(cafile=str(secured[1]))
        monkeypatch.setattr(of_servers, "usual_certificates", lambda: trusting)

        seen = of_servers.certificate(load_settings({"public_url": secured[0]}))

        assert seen.problem == ""
        assert seen.ends_at is not None
        assert timedelta(days=1) < seen.ends_at - datetime.now(UTC) <= timedelta(days=2)


class TestWhatIsNotConfigured:
    def test_an_address_is_asked_for_by_its_setting(self) -> None:
        asked = endpoint(base="dagster_public_url")

        assert of_here.missing_settings(load_settings(), asked) == "ONYX_DAGSTER_PUBLIC_URL"

    def test_one_of_several_is_enough(self) -> None:
        asked = way.OfDoctor(
            kind="doctor", checks=("notifications",), needs_one_of=("smtp_host", "notify_urls")
        )
        given = load_settings({"notify_urls": "ntfy://onyx"})

        assert of_here.missing_settings(given, asked) == ""
        said = of_here.missing_settings(load_settings(), asked)
        assert said == "ONYX_SMTP_HOST or ONYX_NOTIFY_URLS"
