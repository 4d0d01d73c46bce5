"""nginx: its certificate, and its connections."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.strikes.strike import Strike
from onyx_pipelines.sandbox.monitoring.edge import Edge
from onyx_pipelines.sandbox.monitoring.programs import OPENSSL
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox
from onyx_pipelines_tests.waiting import wait_until

_OWN_NAME: Final = f"IP:{HOST}"
_LASTS: Final = timedelta(days=90)
# The head of TLS' first message.
_BEGINS: Final = b"\x16\x03\x01\x02\x00\x01"
# `openssl req -x509` makes none that has ended.
_AUTHORITY: Final = """\
[ca]
default_ca = own
[own]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = optional
"""


def renew(left: timedelta) -> Strike:
    """Nobody renews: so much is left of the one that is served, or it ended so long ago."""
    return _served(left, _OWN_NAME)


def other_certificate(name: str, left: timedelta = _LASTS, *, is_trusted: bool = True) -> Strike:
    """The one that is served is of something else.

    Args:
        name: as OpenSSL writes it, such as "DNS:example.org".
        is_trusted: whether who asks believes whoever signed it.
    """
    return _served(left, name, is_trusted=is_trusted)


def not_reloaded(left: timedelta) -> Strike:
    """It was renewed, and nginx goes on with the one of before, of which so much is left."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        edge = watched.sandbox.monitoring.edge
        renew(left)(watched, after)
        old = edge.certificate.read_bytes()
        _make(edge, _LASTS, _OWN_NAME)
        # They have one authority: who believes the new one believes the old one.
        edge.certificate.write_bytes(edge.certificate.read_bytes() + old)

    return strike


def _served(left: timedelta, name: str, *, is_trusted: bool = True) -> Strike:
    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        edge = watched.sandbox.monitoring.edge
        believed = edge.certificate.read_bytes()
        after.callback(edge.renew)
        _make(edge, left, name)
        _reload(edge)
        if not is_trusted:
            edge.certificate.write_bytes(believed)

    return strike


def _make(edge: Edge, left: timedelta, name: str) -> None:
    ends = datetime.now(UTC) + left
    key, certificate = edge.state_dir / "tls.key", edge.certificate
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index").touch()
        configuration, request = Path(folder) / "authority", Path(folder) / "request"
        configuration.write_text(_AUTHORITY.format(folder=folder), encoding="ascii")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        _openssl(
            *("req", "-new", *curve, "-subj", "/CN=onyx sandbox"),
            *("-addext", f"subjectAltName={name}", "-keyout", key, "-out", request),
        )
        _openssl(
            *("ca", "-batch", "-selfsign", "-notext", "-config", configuration),
            *("-keyfile", key, "-in", request, "-out", certificate),
            *("-startdate", _moment(ends - _LASTS), "-enddate", _moment(ends)),
        )


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([OPENSSL.found, *arguments], check=True, capture_output=True)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%SZ}"


def _reload(edge: Edge) -> None:
    """Returns when it is served."""
    os.kill(edge.pid or 0, signal.SIGHUP)
    wanted = ssl.PEM_cert_to_DER_cert(edge.certificate.read_text(encoding="ascii"))
    wait_until(lambda: _served_now(edge) == wanted, "the other certificate is served")


def _served_now(edge: Edge) -> bytes:
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(_address(edge)))


def _address(edge: Edge) -> tuple[str, int]:
    host, port = edge.tls_url.removeprefix("https://").split(":")
    return host, int(port)


def crowd(connections: int) -> Strike:
    """So many connections on which somebody began to speak, and says no more, of the 256 that it
    may have; those of whom it has heard nothing it would close."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        for _ in range(connections):
            connection = socket.create_connection(_address(watched.sandbox.monitoring.edge))
            after.enter_context(connection).sendall(_BEGINS)

    return strike
