"""How much space a volume takes once it is restored, before it is."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects
from onyx_pipelines.sources.source import Component

# A file's last block is half empty on average, and each has an inode.
_BYTES_PER_FILE: Final = 2048 + 512
# What must stay free for others on the same file system.
_RESERVE_BYTES: Final = 64 << 20


def missing_bytes(objects: SetObjects, volume: VolumeObjects, free_bytes: int) -> int:
    """By how much `free_bytes` is too little to extract the volume; 0 if it is enough."""
    record = objects.manifest.component(Component.VOLUMES)
    files = record.summary.get(f"volume.{volume.name}.files", 0) if record else 0
    per_file = int(files) * _BYTES_PER_FILE if isinstance(files, int | float) else 0
    return max(0, volume.plain_bytes + per_file + _RESERVE_BYTES - free_bytes)
