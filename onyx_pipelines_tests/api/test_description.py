"""The OpenAPI description against the application: Schemathesis tries what it allows and what it
does not, on every endpoint of a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.specs.openapi.schemas import OpenApiSchema

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.settings import load_settings
from onyx_pipelines_tests.api.conftest import Api
from onyx_pipelines_tests.dagster_server import DagsterServer
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

OPERATIONS = [
    (path, method)
    for path, methods in create_app(load_settings({})).openapi()["paths"].items()
    for method in methods
]


@pytest.fixture
def described(
    api: Api, volume_host: HostUnderTest, dagster_server: DagsterServer
) -> Iterator[OpenApiSchema]:
    """Of a host with one set, so that there is something to find."""
    assert volume_host.onyx("backup", "run").status == 0
    server = uvicorn.Server(
        uvicorn.Config(api.app, host="127.0.0.1", port=0, log_level="critical", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    server.should_exit = True
    thread.join()
    dagster_server.delete_all()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_breaks_an_endpoint_or_its_description(
    path: str, method: str, described: OpenApiSchema, api: Api
) -> None:
    @given(case=described[path][method].as_strategy())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(case: Case) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {api.tokens[Scope.RESTORE]}"})

    holds()
