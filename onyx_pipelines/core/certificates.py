"""Whose certificates are trusted where no setting names others."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def usual_certificates() -> ssl.SSLContext:
    """httpx's own choice; read once per process, since each reading takes 20 ms of CPU."""
    return httpx.create_ssl_context()


def certificates_for(url: str) -> ssl.SSLContext:
    """None are read where they are of no use."""
    if url.lower().startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return usual_certificates()
