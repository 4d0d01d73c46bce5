"""Makes and looks at containers through the Engine API, of the stand-in or of a real engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

LABEL = "onyx-pipelines.test.stop-for"
_IMAGE = os.environ.get("DOCKER_TEST_IMAGE", "busybox:stable")


class DockerWorld:
    """Containers by short names, unique on the engine by `prefix`."""

    def __init__(self, host: str, prefix: str, *, needs_image: bool) -> None:
        self.host = host
        self.prefix = prefix
        address = urlsplit(host)
        self._client = (
            httpx.Client(
                base_url="http://docker",
                transport=httpx.HTTPTransport(uds=address.path),
                timeout=120,
            )
            if address.scheme == "unix"
            else httpx.Client(base_url=f"http://{address.netloc}", timeout=120)
        )
        if needs_image:
            self._ask("POST", "/images/create", {"fromImage": _IMAGE})

    def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str],
        is_running: bool = True,
        is_removed_when_stopped: bool = False,
    ) -> None:
        self._ask(
            "POST",
            "/containers/create",
            {"name": self.prefix + name},
            {
                "Image": _IMAGE,
                "Cmd": ["sleep", "600"],
                "StopSignal": "SIGKILL",
                "Labels": dict(labels),
                "HostConfig": {"AutoRemove": is_removed_when_stopped},
            },
        )
        if is_running:
            self._ask("POST", f"/containers/{self.prefix}{name}/start")

    def status(self, name: str) -> str:
        answer = self._ask("GET", f"/containers/{self.prefix}{name}/json").json()
        return str(answer["State"]["Status"])

    def stop(self, name: str) -> None:
        self._ask("POST", f"/containers/{self.prefix}{name}/stop")

    def remove(self, name: str) -> None:
        self._ask("DELETE", f"/containers/{self.prefix}{name}", {"force": "true"})

    def close(self) -> None:
        for listed in self._ask("GET", "/containers/json", {"all": "true"}).json():
            if listed["Names"][0].startswith(f"/{self.prefix}"):
                self._ask("DELETE", f"/containers/{listed['Id']}", {"force": "true"})
        self._client.close()

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
    ) -> httpx.Response:
        response = self._client.request(method, path, params=query, json=body)
        assert response.is_success or response.status_code == 304, response.text
        return response
