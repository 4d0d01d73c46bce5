"""Makes and looks at containers and volumes of a real engine, through its API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from onyx_pipelines_tests.docker_engine import IMAGE, environment

SLEEPS = ("sleep", "600")


class DockerWorld:
    """Containers and volumes by short names, unique on the engine by `prefix`; so is `label`, for
    what is to be stopped."""

    def __init__(self, host: str, prefix: str) -> None:
        self.host = host
        self.prefix = prefix
        self.label = f"{prefix}stop-for"
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
        if self._client.get(f"/images/{IMAGE}/json").status_code == httpx.codes.NOT_FOUND:
            self.ask("POST", "/images/create", {"fromImage": IMAGE})

    def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] = SLEEPS,
        mounts: Mapping[str, str] | None = None,
        is_running: bool = True,
        healthcheck: Mapping[str, Any] | None = None,
        stop_timeout_s: int | None = None,
        **host_config: Any,
    ) -> None:
        """A container.

        Args:
            mounts: where each of these volumes (by their whole names) or directories is mounted.
            host_config: of the API, such as `AutoRemove` or `NetworkMode`.
        """
        self.ask(
            "POST",
            "/containers/create",
            {"name": self.prefix + name},
            {
                "Image": IMAGE,
                "Cmd": list(command),
                "Env": environment(),
                "StopSignal": "SIGKILL",
                "StopTimeout": stop_timeout_s,
                "Labels": dict(labels or {}),
                "Healthcheck": healthcheck,
                "HostConfig": {
                    "NetworkMode": "none",
                    "Binds": [f"{source}:{target}" for source, target in (mounts or {}).items()],
                }
                | host_config,
            },
        )
        if is_running:
            self.start(name)

    def create_volume(self, name: str, *, labels: Mapping[str, str] | None = None,
                      options: Mapping[str, str] | None = None) -> Path:  # fmt: skip
        """A volume of the driver `local`; gives its mount point."""
        body = {"Name": self.prefix + name, "DriverOpts": dict(options or {}),
                "Labels": dict(labels or {})}  # fmt: skip
        return Path(self.ask("POST", "/volumes/create", body=body).json()["Mountpoint"])

    def volume(self, name: str) -> dict[str, Any] | None:
        """As the engine describes it; None: there is none."""
        response = self._client.get(f"/volumes/{self.prefix}{name}")
        return None if response.status_code == httpx.codes.NOT_FOUND else response.json()

    def inspect(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("GET", f"/containers/{self.prefix}{name}/json").json()
        return answer

    def status(self, name: str) -> str:
        return str(self.inspect(name)["State"]["Status"])

    def output(self, name: str, *command: str) -> str:
        """What a command prints that is run in a container."""
        made = self.ask(
            "POST",
            f"/containers/{self.prefix}{name}/exec",
            body={"AttachStdout": True, "AttachStderr": True, "Tty": True, "Cmd": command},
        )
        return self.ask("POST", f"/exec/{made.json()['Id']}/start", body={"Tty": True}).text.strip()

    def start(self, name: str) -> None:
        self.ask("POST", f"/containers/{self.prefix}{name}/start")

    def stop(self, name: str) -> None:
        self.ask("POST", f"/containers/{self.prefix}{name}/stop")

    def pause(self, name: str) -> None:
        self.ask("POST", f"/containers/{self.prefix}{name}/pause")

    def unpause(self, name: str) -> None:
        self.ask("POST", f"/containers/{self.prefix}{name}/unpause")

    def remove(self, name: str) -> None:
        self.ask("DELETE", f"/containers/{self.prefix}{name}", {"force": "true"})

    def remove_volume(self, name: str) -> None:
        self.ask("DELETE", f"/volumes/{self.prefix}{name}")

    def names(self) -> list[str]:
        """Of all containers that are ours, without the prefix."""
        listed = self.ask("GET", "/containers/json", {"all": "true"}).json()
        names = [each["Names"][0].removeprefix("/") for each in listed]
        return [each.removeprefix(self.prefix) for each in names if each.startswith(self.prefix)]

    def close(self) -> None:
        for name in self.names():
            self.remove(name)
        for volume in self.ask("GET", "/volumes").json()["Volumes"] or []:
            if volume["Name"].startswith(self.prefix):
                self.ask("DELETE", f"/volumes/{volume['Name']}", {"force": "true"})
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
    ) -> httpx.Response:
        response = self._client.request(method, path, params=query, json=body)
        assert response.is_success or response.status_code == 304, response.text
        return response
