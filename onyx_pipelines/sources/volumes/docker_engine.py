"""The few calls of the Docker Engine API that stop and start containers.

https://docs.docker.com/reference/api/engine/, in the version that the engine says is its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx

from onyx_pipelines.certificates import usual_certificates
from onyx_pipelines.errors import SettingsError, SourceError

_ANSWER_TIMEOUT_S: Final = 60.0
# What the engine waits for by default before it kills a container that is to stop.
_DEFAULT_GRACE_S: Final = 10


@dataclass(frozen=True)
class Container:
    """What one container is and how it behaves. `status`: running, exited, created, paused, ..."""

    id: str
    name: str
    status: str
    labels: Mapping[str, str] = field(default_factory=dict)
    is_removed_when_stopped: bool = False
    stop_grace_s: int = _DEFAULT_GRACE_S

    @property
    def is_running(self) -> bool:
        return self.status in ("running", "restarting")


class DockerEngine:
    """A connection to one engine. Every call raises SourceError when the engine cannot do it.

    Args:
        host: as in DOCKER_HOST: `unix:///path`, `tcp://host:port`, `http(s)://host:port`.
    """

    def __init__(self, host: str) -> None:
        address = urlsplit(host)
        self._socket: Path | None = None
        self._version_prefix: str | None = None
        transport: httpx.HTTPTransport | None = None
        if address.scheme == "unix" and address.path:
            self._socket = Path(address.path)
            transport = httpx.HTTPTransport(uds=address.path)
            base_url = "http://docker"
        elif address.scheme in ("tcp", "http", "https") and address.hostname:
            scheme = "https" if address.scheme == "https" else "http"
            base_url = f"{scheme}://{address.netloc}"
        else:
            raise SettingsError(
                "ONYX_DOCKER_HOST is no address of a Docker engine.",
                remedy="Use unix:///var/run/docker.sock, tcp://host:port or https://host:port.",
            )
        # For messages: without the credentials that an address may carry.
        self._shown_host = address.path if self._socket else f"{address.hostname}:{address.port}"
        self._client = httpx.Client(
            base_url=base_url,
            transport=transport,
            timeout=_ANSWER_TIMEOUT_S,
            # A proxy of the environment is none for the engine.
            trust_env=False,
            verify=usual_certificates(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def running_with_label(self, label: str) -> list[Container]:
        """Those that run and have the label, whatever its value; sorted by name."""
        found = self._list(all_states=False, filters={"label": [label], "status": ["running"]})
        inspected = (self.inspect(str(item["Id"])) for item in found)
        return sorted((c for c in inspected if c and c.is_running), key=lambda c: c.name)

    def with_labels(self, labels: Mapping[str, str]) -> list[Container]:
        """Those in any state that have all these labels with these values."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        inspected = (
            self.inspect(str(item["Id"])) for item in self._list(all_states=True, filters=filters)
        )
        return [container for container in inspected if container]

    def inspect(self, id_or_name: str) -> Container | None:
        response = self._call("GET", f"/containers/{quote(id_or_name, safe='')}/json")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        self._answer(response, 200)
        try:
            return _container(response.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._no_answer("it speaks another language") from None

    def stop(self, container: Container) -> bool:
        """Stop it with its own grace period. False: it was not running any more."""
        response = self._call(
            "POST",
            f"/containers/{container.id}/stop",
            timeout_s=container.stop_grace_s + _ANSWER_TIMEOUT_S,
        )
        return self._answer(response, 204, 304, 404).status_code == 204

    def start(self, container: Container) -> None:
        self._answer(self._call("POST", f"/containers/{container.id}/start"), 204, 304)

    def _list(self, *, all_states: bool, filters: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        parameters = {"all": "true" if all_states else "false", "filters": json.dumps(filters)}
        response = self._call("GET", "/containers/json", parameters=parameters)
        self._answer(response, 200)
        try:
            answer: list[dict[str, Any]] = response.json()
        except ValueError:
            raise self._no_answer("it speaks another language") from None
        return answer

    def _call(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> httpx.Response:
        if self._version_prefix is None:
            ping = self._answer(self._request("GET", "/_ping"), 200)
            version = ping.headers.get("Api-Version", "")
            self._version_prefix = f"/v{version}" if version else ""
        return self._request(
            method, self._version_prefix + path, parameters=parameters, timeout_s=timeout_s
        )

    def _request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> httpx.Response:
        if self._socket is not None and not self._socket.is_socket():
            raise self._no_answer("there is no socket")
        try:
            return self._client.request(method, path, params=parameters, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise self._no_answer(type(error).__name__) from None

    def _no_answer(self, reason: str) -> SourceError:
        return SourceError(
            f"The Docker engine at {self._shown_host} does not answer ({reason}).",
            remedy="Check ONYX_DOCKER_HOST and that this user may use the engine, or empty"
            " ONYX_STOP_CONTAINERS_LABEL.",
            transient=True,
        )

    def _answer(self, response: httpx.Response, *expected: int) -> httpx.Response:
        if response.status_code in expected:
            return response
        request = response.request
        raise SourceError(
            f"The Docker engine refused {request.method} {request.url.path} with status"
            f" {response.status_code}: {_message(response)}.",
            remedy="See the engine's log, and whether this user may stop and start containers.",
            transient=response.status_code >= 500,
        )


def _container(inspected: Mapping[str, Any]) -> Container:
    config = inspected.get("Config") or {}
    return Container(
        id=inspected["Id"],
        name=str(inspected["Name"]).removeprefix("/"),
        status=inspected["State"]["Status"],
        labels=dict(config.get("Labels") or {}),
        is_removed_when_stopped=bool((inspected.get("HostConfig") or {}).get("AutoRemove")),
        stop_grace_s=_DEFAULT_GRACE_S
        if config.get("StopTimeout") is None
        else int(config["StopTimeout"]),
    )


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"]).strip().rstrip(".")[:300]
    except (ValueError, KeyError, TypeError):
        return "no reason given"
