"""The sandbox's edge: a real nginx with TLS before the application, watched by its own exporter."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Final

from onyx_pipelines.sandbox.monitoring.programs import NGINX, OPENSSL
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.service_process import ServiceProcess, kept_port

_START_TIMEOUT_S: Final = 60.0
_USUAL_DAYS: Final = 365


class Edge(ServiceProcess):
    """Outlives its starter. `url` serves its status page, `tls_url` what people use."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir, "nginx")

    @property
    def tls_url(self) -> str:
        return f"https://{HOST}:{kept_port(self.state_dir, 'tls')}"

    @property
    def certificate(self) -> Path:
        """Signed by itself: who asks must believe this file."""
        return self.state_dir / "tls.pem"

    def start(self, upstream: str) -> None:
        """Before `upstream`, an address.

        Raises:
            OnyxError: it did not answer.
        """
        self.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not self.certificate.exists():
            self.renew()
        self._file.write_text(self._configuration(upstream), encoding="utf-8")
        self.serve(
            self.own(),
            {},
            ready_path="/stub_status",
            timeout_s=_START_TIMEOUT_S,
        )

    def renew(self, days: int = _USUAL_DAYS) -> None:
        """Another certificate, which ends after so many days, is served from now on."""
        self.issue(days)
        if self.pid is not None:
            os.kill(self.pid, signal.SIGHUP)

    def own(self, *options: str) -> list[str | Path]:
        """nginx with these options, as it was started here."""
        return [NGINX.found, "-c", self._file, "-p", self.state_dir, *options]

    def issue(self, days: int = _USUAL_DAYS) -> None:
        """Another certificate, which nginx does not have until it loads it."""
        names = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        subprocess.run(
            [
                *(OPENSSL.found, *names, "-days", str(days), "-subj", "/CN=onyx sandbox"),
                *("-addext", f"subjectAltName=IP:{HOST}"),
                *("-keyout", self.state_dir / "tls.key", "-out", self.certificate),
            ],
            check=True,
            capture_output=True,
        )

    @property
    def _file(self) -> Path:
        return self.state_dir / "nginx.conf"

    def _configuration(self, upstream: str) -> str:
        folder = self.state_dir
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind}.tmp;\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            ("user root;\n" if os.getuid() == 0 else "")
            + f"daemon off;\nworker_processes 1;\npid {folder}/nginx.own.pid;\n"
            + f"error_log {folder}/error.log;\nevents {{ worker_connections 256; }}\n"
            + f"http {{\naccess_log off;\n{temporary}"
            + f"server {{\nlisten {HOST}:{self.port};\n"
            + "location = /stub_status { stub_status; }\nlocation / { return 404; }\n}\n"
            + f"server {{\nlisten {self.tls_url.removeprefix('https://')} ssl;\n"
            + f"ssl_certificate {self.certificate};\nssl_certificate_key {folder}/tls.key;\n"
            + f"location / {{ proxy_pass {upstream}; }}\n}}\n}}\n"
        )
