"""Settings of the machine: where it keeps what, and its container engine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationInfo, field_validator

from onyx_pipelines.core.settings.part import Part

# Below the state directory of the host: one folder for each stack that has a name.
STACKS_FOLDER: Final = "stacks"
# A stack's place in a store is beside these.
_FOLDERS: Final = frozenset({"audit", "doctor", "sets"})


class HostSettings(Part):
    """Where this host keeps its locks and journals, and what it is called."""

    stack: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9-]{0,39})?$",
        description="Name of the stack, where several share this host, a directory or a bucket"
        " (docs/stacks.md): each has a part of its own in them. Empty: the only one.",
    )
    state_dir: Path = Field(
        Path("/var/lib/onyx-pipelines"),
        validate_default=True,
        description="Directory for locks and journals. Local disk; every process of this host that"
        " backs up must use the same one.",
    )
    host_name: str = Field("", description="Name of this host in manifests; empty: its host name.")

    @field_validator("stack")
    @classmethod
    def _no_folder_of_ours(cls, stack: str) -> str:
        if stack in _FOLDERS:
            raise ValueError(f"{stack} is a folder of every store: take another name")
        return stack

    @field_validator("state_dir")
    @classmethod
    def _state_of_the_stack(cls, path: Path, found: ValidationInfo) -> Path:
        stack: str = found.data.get("stack", "")
        return path / STACKS_FOLDER / stack if stack else path

    @property
    def host(self) -> str:
        """This host's name."""
        return self.host_name or socket.gethostname()


class ReportSettings(HostSettings):
    """Where reports go."""

    reports_dir: Path = Field(
        Path("reports"),
        validate_default=True,
        description="Where drills and load tests put their reports.",
    )

    @field_validator("reports_dir")
    @classmethod
    def _reports_of_the_stack(cls, path: Path, found: ValidationInfo) -> Path:
        stack: str = found.data.get("stack", "")
        return path / stack


class EngineSettings(HostSettings):
    """The container engine of this host."""

    docker_host: str = Field(
        "unix:///var/run/docker.sock",
        description="Docker API: what volumes are made with, and which containers use them; those"
        " are stopped while a restore replaces a volume. Empty, or no such socket: this host has no"
        " engine.",
    )
    stop_containers_label: str = Field(
        "",
        description="Containers with this label whose value is the volume's name (or empty) are"
        " stopped while it is read. Empty: none is.",
    )
