"""The OpenAPI description against the application: Schemathesis tries what it allows and what it
does not, on every endpoint of a real server."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines_tests.api.conftest import Api
from onyx_pipelines_tests.api.serving import served
from onyx_pipelines_tests.dagster_server import DagsterServer
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.prometheus_server import PrometheusServer, prometheus

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.specs.openapi.schemas import OpenApiSchema

KEY = r"[\x21-\x7e]{1,200}"
OPERATIONS = [
    (path, method)
    for path, methods in create_app(load_settings({})).openapi()["paths"].items()
    for method in methods
]


@pytest.fixture(scope="module")
def prometheus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), {}) as server:
        yield server


@pytest.fixture
def described(
    api: Api,
    volume_host: HostUnderTest,
    dagster_server: DagsterServer,
    prometheus_server: PrometheusServer,
) -> Iterator[OpenApiSchema]:
    """Of a host with one set, so that there is something to find."""
    # Here, as loading it takes the time of many tests, and one worker of several has this one.
    import schemathesis

    volume_host.run()
    volume_host.set(PROMETHEUS_URL=prometheus_server.url, METRICS_PASSWORD="metrics-password")
    with served(create_app(volume_host.settings)) as address:
        yield schemathesis.openapi.from_url(f"http://{address}/openapi.json")
    dagster_server.delete_all()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_breaks_an_endpoint_or_its_description(
    path: str, method: str, described: OpenApiSchema, api: Api
) -> None:
    @given(case=described[path][method].as_strategy())
    # Each comes once more with a wrong token, and the eleventh of those is answered with 429.
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(case: Case) -> None:
        if re.fullmatch(KEY, case.headers.get("Idempotency-Key", "")):
            # The same one for another request is refused, as it should be.
            case.headers["Idempotency-Key"] = uuid.uuid4().hex
        case.call_and_validate(headers={"Authorization": f"Bearer {api.tokens[Scope.RESTORE]}"})

    holds()
