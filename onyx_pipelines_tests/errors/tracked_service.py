"""A small service of FastAPI with error tracking on, as docs/errors.md says; run by the tests."""

from __future__ import annotations

import logging
import threading

from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.errors.tracking import identify, start_error_tracking, web_integrations

settings = load_settings()
start_error_tracking(
    settings,
    "api-server",
    version="1.4.2",
    integrations=web_integrations(settings),
    secrets=["applepie"],
)
log = logging.getLogger("onyx.chat")
log.setLevel(logging.INFO)
app = FastAPI()


@app.post("/chat/{number}")
def chat(number: int) -> None:
    """The one that breaks."""
    identify(user_id="4711", session_id="s-1")
    log.info("asked by %s", "bob@example.org")
    prompt = "my secret prompt"
    raise ValueError(f"cannot answer '{prompt}' with applepie")


@app.get("/status/{status}")
def status(status: int) -> None:
    """One that answers with it."""
    raise HTTPException(status)


@app.get("/upstream/{status}")
def upstream(status: int) -> None:
    """What a client of another service raises."""
    error = RuntimeError("upstream")
    error.status_code = status  # type: ignore[attr-defined]  # as frameworks do
    raise error


@app.get("/lookup")
def lookup() -> None:
    """Of a type that is configured not to count."""
    {}["nothing"]


def break_in_a_thread() -> None:
    """Nobody catches it."""
    raise OSError("in a thread")


client = TestClient(app, raise_server_exceptions=False)
client.post(
    "/chat/1?ref=bob%40example.org",
    json={"prompt": "my secret prompt"},
    headers={"Authorization": "Bearer abcdefgh", "Cookie": "a=b"},
)
for path in ("status/404", "status/429", "upstream/404", "upstream/429", "lookup", "status/503"):
    client.get(f"/{path}")
log.error("the index is gone")
thread = threading.Thread(target=break_in_a_thread)
thread.start()
thread.join()
raise ZeroDivisionError("at the end")
