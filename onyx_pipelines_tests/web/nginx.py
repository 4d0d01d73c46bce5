"""A real nginx with the configuration of deploy/nginx, on a free port and with a certificate of
its own."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

import httpx

from onyx_pipelines.sandbox.ports import free_port
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.waiting import wait_until

TEMPLATE = Path(__file__).parents[2] / "deploy" / "nginx" / "onyx.conf.template"
DAGSTER, GUESTS, API = "dagster.onyx.test", "guests.onyx.test", "api.onyx.test"
OPERATOR, GUEST = ("operator", "operators-password"), ("guest", "guests-password")


@dataclass(frozen=True)
class Proxy:
    """Asked by the names above, which resolve to it alone in the tests' clients."""

    port: int

    def url(self, name: str) -> str:
        return f"https://{name}:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        name: str = DAGSTER,
        host: str = "",
        user: tuple[str, str] | None = OPERATOR,
        headers: dict[str, str] | None = None,
        content: str | None = None,
    ) -> httpx.Response:
        """`host`: another Host header than the name that TLS was told."""
        sent = {"Host": host or f"{name}:{self.port}", **(headers or {})}
        if user is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
            return client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers=sent,
                content=content,
                extensions={"sni_hostname": name},
            )


@contextmanager
def nginx(folder: Path, *, dagster: str, guests: str, api: str) -> Iterator[Proxy]:
    """Upstreams are `host:port`."""
    port = free_port()
    certificate, key = folder / "tls.pem", folder / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=onyx.test",
                "-keyout",
                key,
                "-out",
                certificate,
            ),
            *("-addext", f"subjectAltName=DNS:{DAGSTER},DNS:{GUESTS},DNS:{API}"),
        ],
        check=True,
        capture_output=True,
    )
    for user, path in ((OPERATOR, "operators"), (GUEST, "guests")):
        (folder / path).write_text(f"{user[0]}:{{PLAIN}}{user[1]}\n")
    (folder / "onyx.conf").write_text(
        Template(TEMPLATE.read_text()).safe_substitute(
            LISTEN=f"127.0.0.1:{port}",
            DAGSTER_NAME=DAGSTER,
            GUESTS_NAME=GUESTS,
            API_NAME=API,
            DAGSTER_UPSTREAM=dagster,
            GUESTS_UPSTREAM=guests,
            API_UPSTREAM=api,
            DAGSTER_HTPASSWD=folder / "operators",
            GUESTS_HTPASSWD=folder / "guests",
            TLS_CERTIFICATE=certificate,
            TLS_KEY=key,
        )
    )
    temporary = "".join(
        f"{kind}_temp_path {folder}/tmp-{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        ("user root;\n" if os.getuid() == 0 else "")
        + f"daemon off;\npid {folder}/nginx.own.pid;\nerror_log {folder}/error.log;\n"
        + f"events {{}}\nhttp {{\naccess_log {folder}/access.log;\n{temporary}"
        + f"include {folder}/onyx.conf;\n}}\n"
    )
    command = [program("nginx"), "-c", folder / "nginx.conf", "-p", folder]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with subprocess.Popen(command) as process:
        try:
            _wait_for(port)
            yield Proxy(port)
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    def listens() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
        return False

    wait_until(listens, "nginx listens")
