"""Settings of the machine: where it keeps what, and its container engine."""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import Field

from onyx_pipelines.core.settings.part import Part


class HostSettings(Part):
    """Where this host keeps its locks and journals, and what it is called."""

    state_dir: Path = Field(
        Path("/var/lib/onyx-pipelines"),
        description="Directory for locks and journals. Local disk; every process of this host that"
        " backs up must use the same one.",
    )
    host_name: str = Field("", description="Name of this host in manifests; empty: its host name.")

    @property
    def host(self) -> str:
        """This host's name."""
        return self.host_name or socket.gethostname()


class ReportSettings(Part):
    """Where reports go."""

    reports_dir: Path = Field(
        Path("reports"), description="Where drills and load tests put their reports."
    )


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
