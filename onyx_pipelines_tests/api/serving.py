"""The application on a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from onyx_pipelines.api.connections import Limits
from onyx_pipelines.api.server import server_of


@contextmanager
def served(app: FastAPI, limits: Limits | None = None) -> Iterator[str]:
    """By the real server; gives `host:port`."""
    server = server_of(app, host="127.0.0.1", port=0, limits=limits)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"{host}:{port}"
    server.should_exit = True
    thread.join()
