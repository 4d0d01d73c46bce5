"""The few calls of the Docker Engine API that stop and start containers, and know volumes.

https://docs.docker.com/reference/api/engine/, in the version that the engine says is its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.errors import SettingsError, SourceError
from onyx_pipelines.core.whole_answer import OTHER_FORM, unanswered, whole_answer
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume

_T = TypeVar("_T")
_ANSWER_S: Final = 60.0
# What the engine waits for by default before it kills a container that is to stop.
_DEFAULT_GRACE_S: Final = 10


@dataclass(frozen=True)
class Mount:
    """A path of the host (of a volume, its mount point) and where a container has it."""

    source: str
    destination: str
    is_writable: bool = True


@dataclass(frozen=True)
class Container:
    """What one container is and how it behaves. `status`: running, exited, created, paused, ...

    Args:
        joins: ids or names of the containers whose namespaces it shares.
        is_unhealthy: its own check has not passed, or not yet.
    """

    id: str
    name: str
    status: str
    labels: Mapping[str, str] = field(default_factory=dict)
    is_removed_when_stopped: bool = False
    stop_grace_s: int = _DEFAULT_GRACE_S
    mounts: tuple[Mount, ...] = ()
    joins: frozenset[str] = frozenset()
    is_unhealthy: bool = False
    image: str = ""
    image_id: str = ""

    @property
    def is_running(self) -> bool:
        return self.status in ("running", "restarting")

    @property
    def is_paused(self) -> bool:
        return self.status == "paused"


class DockerEngine:
    """A connection to one engine. Every call raises SourceError when the engine cannot do it.

    Args:
        host: as in DOCKER_HOST: `unix:///path`, `tcp://host:port`, `http(s)://host:port`.
        answer_s: for each read of an answer; twice as long for the whole of it.
    """

    def __init__(self, host: str, *, answer_s: float = _ANSWER_S) -> None:
        address = urlsplit(host)
        self._answer_s = answer_s
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
        host = address.path if self._socket else f"{address.hostname}:{address.port}"
        self._who = f"The Docker engine at {host}"
        self._client = httpx.Client(
            base_url=base_url,
            transport=transport,
            # A proxy of the environment is none for the engine.
            trust_env=False,
            verify=usual_certificates(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def alive(self) -> list[Container]:
        """Those that run, restart or are paused; sorted by name."""
        filters = {"status": ["running", "restarting", "paused"]}
        inspected = map(self.inspect, self._ids(filters))
        found = (each for each in inspected if each and (each.is_running or each.is_paused))
        return sorted(found, key=lambda each: each.name)

    def containers(self) -> list[Container]:
        """All containers of this engine, in any state."""
        return self.with_labels({})

    def digests_of(self, image_id: str) -> list[str]:
        """Of an image, as `repository@sha256:…`, by which the very same one is pulled again."""
        response = self._call("GET", f"/images/{quote(image_id, safe='')}/json")
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        return self._parsed(
            self._answer(response, 200), lambda answer: sorted(answer.get("RepoDigests") or [])
        )

    def with_labels(self, labels: Mapping[str, str]) -> list[Container]:
        """Those in any state that have all these labels with these values."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        inspected = map(self.inspect, self._ids(filters))
        return [container for container in inspected if container]

    def inspect(self, id_or_name: str) -> Container | None:
        """A container by its id or name; None: there is none."""
        response = self._call("GET", f"/containers/{quote(id_or_name, safe='')}/json")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._parsed(self._answer(response, 200), _container)

    def stop(self, container: Container) -> bool:
        """Stop it with its own grace period. False: it was not running any more."""
        response = self._call(
            "POST",
            f"/containers/{container.id}/stop",
            after_s=container.stop_grace_s,
        )
        return self._answer(response, 204, 304, 404).status_code == 204

    def start(self, container: Container) -> None:
        self._answer(self._call("POST", f"/containers/{container.id}/start"), 204, 304)

    def pause(self, container: Container) -> None:
        self._answer(self._call("POST", f"/containers/{container.id}/pause"), 204)

    def unpause(self, container: Container) -> None:
        # 409, or 500 of older ones: it is not paused any more.
        self._answer(self._call("POST", f"/containers/{container.id}/unpause"), 204, 409, 500)

    def volumes(self) -> list[EngineVolume]:
        """All that it knows, sorted by name."""
        response = self._answer(self._call("GET", "/volumes"), 200)
        found = self._parsed(response, lambda answer: [*map(_volume, answer["Volumes"] or [])])
        return sorted(found, key=lambda each: each.name)

    def create_volume(self, volume: EngineVolume) -> EngineVolume:
        """With this name, driver, options and labels; gives it with its mount point."""
        body = {
            "Name": volume.name,
            "Driver": volume.driver,
            "DriverOpts": dict(volume.options),
            "Labels": dict(volume.labels),
        }
        response = self._answer(self._call("POST", "/volumes/create", body=body), 200, 201)
        return self._parsed(response, _volume)

    def remove_volume(self, volume: EngineVolume) -> None:
        path = f"/volumes/{quote(volume.name, safe='')}"
        self._answer(self._call("DELETE", path), 204, 404)

    def root_directory(self) -> Path:
        """Below which the driver `local` has its volumes, on the engine's host."""
        response = self._answer(self._call("GET", "/info"), 200)
        return self._parsed(response, lambda answer: Path(answer["DockerRootDir"]))

    def _ids(self, filters: Mapping[str, list[str]]) -> list[str]:
        """Of containers in any state."""
        parameters = {"all": "true", "filters": json.dumps(filters)}
        response = self._call("GET", "/containers/json", parameters=parameters)
        return self._parsed(self._answer(response, 200), _ids)

    def _parsed(self, response: httpx.Response, parse: Callable[[Any], _T]) -> _T:
        try:
            return parse(response.json())
        except OTHER_FORM:
            raise self._no_answer("it speaks another language") from None

    def _call(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: object = None,
        after_s: float = 0,
    ) -> httpx.Response:
        if self._version_prefix is None:
            ping = self._answer(self._request("GET", "/_ping"), 200)
            version = ping.headers.get("Api-Version", "")
            self._version_prefix = f"/v{version}" if version else ""
        return self._request(
            method,
            self._version_prefix + path,
            parameters=parameters,
            body=body,
            after_s=after_s,
        )

    def _request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: object = None,
        after_s: float = 0,
    ) -> httpx.Response:
        if self._socket is not None and not self._socket.is_socket():
            raise self._no_answer("there is no socket")
        if self._socket is not None and not os.access(self._socket, os.W_OK, effective_ids=True):
            raise self._no_answer("this user may not use it")
        try:
            return whole_answer(
                self._client,
                method,
                path,
                timeout=after_s + self._answer_s,
                limit_s=after_s + 2 * self._answer_s,
                params=parameters,
                content=body if isinstance(body, bytes) else None,
                json=None if isinstance(body, bytes) else body,
            )
        except httpx.HTTPError as error:
            raise self._unusable(unanswered(self._who, error)) from None

    def _no_answer(self, reason: str) -> SourceError:
        return self._unusable(f"{self._who} does not answer ({reason}).")

    def _unusable(self, what: str) -> SourceError:
        return SourceError(
            what,
            remedy="Check ONYX_DOCKER_HOST and that this user may use the engine; it is empty where"
            " there is none.",
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


def open_engine(docker_host: str) -> DockerEngine | None:
    """None: this host has none, because the setting is empty or its socket does not exist."""
    address = urlsplit(docker_host)
    if not docker_host or (address.scheme == "unix" and not Path(address.path).exists()):
        return None
    return DockerEngine(docker_host)


def _ids(answer: Any) -> list[str]:
    """An object is no list, and an empty one does not mean that there is no container."""
    if not isinstance(answer, list):
        raise TypeError("no list")
    return [str(each["Id"]) for each in answer]


def _container(inspected: Mapping[str, Any]) -> Container:
    config = inspected.get("Config") or {}
    host_config = inspected.get("HostConfig") or {}
    state = inspected["State"]
    modes = (host_config.get(name) or "" for name in ("NetworkMode", "PidMode", "IpcMode"))
    return Container(
        id=_text(inspected, "Id"),
        name=_text(inspected, "Name").removeprefix("/"),
        status=_text(state, "Status"),
        labels=dict(config.get("Labels") or {}),
        is_removed_when_stopped=bool(host_config.get("AutoRemove")),
        stop_grace_s=_DEFAULT_GRACE_S
        if config.get("StopTimeout") is None
        else int(config["StopTimeout"]),
        mounts=tuple(
            Mount(mount["Source"], mount["Destination"], is_writable=mount.get("RW") is not False)
            for mount in inspected.get("Mounts") or []
            if mount.get("Source")
        ),
        joins=frozenset(
            mode.removeprefix("container:") for mode in modes if mode.startswith("container:")
        ),
        image=str(config.get("Image") or ""),
        image_id=str(inspected.get("Image") or ""),
        is_unhealthy=(state.get("Health") or {}).get("Status") in ("starting", "unhealthy"),
    )


def _text(answer: Mapping[str, Any], name: str) -> str:
    if not isinstance(answer[name], str):
        raise TypeError(f"{name} is no text")
    return str(answer[name])


def _volume(answer: Mapping[str, Any]) -> EngineVolume:
    return EngineVolume(
        name=_text(answer, "Name"),
        driver=_text(answer, "Driver"),
        options=dict(answer.get("Options") or {}),
        labels=dict(answer.get("Labels") or {}),
        mountpoint=answer.get("Mountpoint") or "",
    )


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"]).strip().rstrip(".")[:300]
    except OTHER_FORM:
        return "no reason given"
