"""A volume as a Docker engine knows it: what it was made with, and what that means for its data.

One with driver options is mounted only while a container uses it: its mount point is an empty
directory otherwise. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class EngineVolume:
    """`mountpoint`: its directory on the engine's host; empty where it was not asked for."""

    name: str
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mountpoint: str = ""

    @property
    def device(self) -> Path | None:
        """The directory of which it is a bind mount, which is there with and without containers."""
        flags = self.options.get("o", "").split(",")
        device = self.options.get("device", "")
        is_bind = self.driver == "local" and ("bind" in flags or "rbind" in flags)
        return Path(device) if is_bind and device.startswith("/") else None

    @property
    def is_in_memory(self) -> bool:
        return self.driver == "local" and self.options.get("type") in ("tmpfs", "ramfs")

    @property
    def is_mounted_for_containers(self) -> bool:
        """Its data is at its mount point only while one runs."""
        return self.driver != "local" or "type" in self.options or "device" in self.options

    def described(self) -> str:
        """For messages; without the options' values, which may hold a password."""
        if self.driver != "local":
            return f"of the driver {self.driver}"
        return f"with the driver options {', '.join(sorted(self.options)) or 'none'}"
