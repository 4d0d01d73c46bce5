from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines_tests.dagster_server import DagsterServer, dagster_web_server
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


@pytest.fixture(scope="session")
def dagster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterServer]:
    with dagster_web_server(tmp_path_factory.mktemp("dagster")) as server:
        yield server


@dataclass(frozen=True)
class Api:
    """The application with a client for each scope."""

    app: FastAPI
    tokens: dict[Scope, str]

    def client(self, scope: Scope | None = Scope.RESTORE, address: str = "127.0.0.1") -> TestClient:
        headers = {"Authorization": f"Bearer {self.tokens[scope]}"} if scope else {}
        return TestClient(
            self.app, client=(address, 50_000), headers=headers, raise_server_exceptions=False
        )


def make_api(host: HostUnderTest) -> Api:
    tokens = TokenFile(host.settings.tokens_file)
    texts = {scope: tokens.create(scope.value, scope) for scope in Scope}
    return Api(create_app(host.settings), texts)


@pytest.fixture
def api(volume_host: HostUnderTest, dagster_server: DagsterServer) -> Api:
    """Of a host with one volume; its runs wait in a queue that is empty at first."""
    dagster_server.delete_all()
    volume_host.set(
        DAGSTER_URL=dagster_server.url, REPORTS_DIR=volume_host.root / "reports", LOAD_TEST_URL=None
    )
    return make_api(volume_host)
