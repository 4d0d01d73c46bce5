"""What the sandbox asks of a Docker engine besides what backups ask: images, containers, events."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from onyx_pipelines.sources.volumes.docker_engine import DockerEngine

IMAGE: Final = "onyx-sandbox:host"
# Of a machine whose /bin is a part of /usr, as Debian's and every other one's of today.
_OF_USR: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass(frozen=True)
class Limits:
    """What a container may use. `cores`: of processor time."""

    memory_bytes: int
    cores: float


@dataclass(frozen=True)
class Wanted:
    """A container to be made.

    Args:
        environment: secrets are in it; the engine keeps them for as long as the container is there.
        user: number of a user and of a group, `0:0` of root.
        read_only, writable: of this machine, seen at the same place.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    limits: Limits
    directory: Path
    user: str
    read_only: Sequence[Path]
    writable: Sequence[Path]


@dataclass(frozen=True)
class State:
    """Of one container as it is now.

    Args:
        pid: on this machine, of its first process; 0: it does not run.
        started_at: the last time that it was started.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    pid: int
    started_at: datetime


class SandboxEngine(DockerEngine):
    """Every call raises SourceError when the engine cannot do it."""

    def make_image(self) -> None:
        """`IMAGE`, unless there is one."""
        found = self._call("GET", f"/images/{quote(IMAGE, safe='')}/json")
        if found.status_code == 404:
            repository, _, tag = IMAGE.partition(":")
            where = {"fromSrc": "-", "repo": repository, "tag": tag}
            self._answer(self._call("POST", "/images/create", parameters=where, body=_links()), 200)

    def run(self, wanted: Wanted) -> State:
        """In the place of one of the same name."""
        self.remove(wanted.name)
        made = self._call(
            "POST", "/containers/create", parameters={"name": wanted.name}, body=_body(wanted)
        )
        identity = self._parsed(self._answer(made, 201), lambda answer: str(answer["Id"]))
        self._answer(self._call("POST", f"/containers/{identity}/start"), 204)
        return self._parsed(
            self._answer(self._call("GET", f"/containers/{identity}/json"), 200), _state
        )

    def remove(self, name: str) -> None:
        """Whatever it does; fine if there is none."""
        path = f"/containers/{quote(name, safe='')}"
        self._answer(self._call("DELETE", path, parameters={"force": "true"}), 204, 404)

    def restart_always(self, name: str) -> None:
        """Whenever it ends, the engine starts it again."""
        policy = {"RestartPolicy": {"Name": "always"}}
        self._answer(self._call("POST", f"/containers/{name}/update", body=policy), 200)

    def states(self, label: str) -> list[State]:
        """Of those that have the label (`name=value`), running or not."""
        filters = {"label": [label]}
        return [
            self._parsed(answer, _state)
            for each in self._ids(filters)
            if (answer := self._call("GET", f"/containers/{each}/json")).status_code == 200
        ]

    def out_of_memory(self, label: str, since: datetime) -> Iterator[tuple[str, datetime]]:
        """Ids of containers of which the kernel ended a process for memory, and when, as it
        happens; ends where the engine hangs up."""
        filters = {"type": ["container"], "event": ["oom"], "label": [label]}
        parameters = {
            "filters": json.dumps(filters),
            "since": f"{since.timestamp():.9f}",
        }
        with self._client.stream("GET", "/events", params=parameters, timeout=None) as response:
            for line in response.iter_lines():
                event: dict[str, Any] = json.loads(line)
                yield str(event["id"]), datetime.fromtimestamp(event["timeNano"] / 1e9, UTC)


def _links() -> bytes:
    """A root file system of nothing but the links into /usr that this machine has, and a place for
    what is mounted at /tmp: else the engine makes one with a working directory below it, and
    nobody but root could write to what is mounted there."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(temporary)
        for name in _OF_USR:
            path = Path("/", name)
            if path.is_symlink():
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, str(path.readlink())
                tar.addfile(link)
    return buffer.getvalue()


def _body(wanted: Wanted) -> dict[str, Any]:
    """Of Docker's API, containers/create."""
    binds = [
        *(f"{path}:{path}:ro" for path in wanted.read_only),
        *(f"{path}:{path}" for path in wanted.writable),
    ]
    return {
        "Image": IMAGE,
        "Cmd": list(wanted.command),
        "Env": [f"{name}={value}" for name, value in wanted.environment.items()],
        "Labels": dict(wanted.labels),
        "User": wanted.user,
        "WorkingDir": str(wanted.directory),
        "HostConfig": {
            "Binds": binds,
            "Tmpfs": {"/tmp": "mode=1777"},  # noqa: S108  # the container's own
            "NetworkMode": "host",
            "PidMode": "host",
            "ShmSize": wanted.limits.memory_bytes,
            "Memory": wanted.limits.memory_bytes,
            # No swap: what does not fit is ended.
            "MemorySwap": wanted.limits.memory_bytes,
            "NanoCpus": int(wanted.limits.cores * 1e9),
        },
    }


def _state(answer: Mapping[str, Any]) -> State:
    # Nine digits of a second, of which Python reads six.
    started = str(answer["State"]["StartedAt"])[:19]
    return State(
        str(answer["Id"]),
        str(answer["Name"]).removeprefix("/"),
        str(answer["Config"]["Image"]),
        dict(answer["Config"]["Labels"] or {}),
        int(answer["State"]["Pid"]),
        datetime.fromisoformat(started).replace(tzinfo=UTC),
    )
