"""Settings of ours that are not what they were when the relay last looked: a change of the
configuration that nobody has to note. Of secrets nothing is kept, so their change is not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.settings.part import is_secret, variable
from onyx_pipelines.host.record_file import RecordFile


class SeenSettings(BaseModel):
    """`digests`: of each value, by the setting's name."""

    model_config = ConfigDict(frozen=True)

    digests: dict[str, str] = Field(default_factory=dict)


def seen_settings(settings: Settings) -> SeenSettings:
    """As they are now."""
    kept = {name for name, field in type(settings).model_fields.items() if not is_secret(field)}
    return SeenSettings(
        digests={
            name: hashlib.sha256(repr(getattr(settings, name)).encode()).hexdigest()[:16]
            for name in sorted(kept)
        }
    )


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Variables, by name. A setting that only one version knows has not changed."""
    both = before.keys() & now.keys()
    return [variable(name) for name in sorted(both) if before[name] != now[name]]


def notice(settings: Settings) -> list[str]:
    """What changed since the last time, and remember what is now.

    Raises:
        OSError: the state directory cannot be written.
    """
    file = RecordFile(settings.state_dir / "errors" / "relay" / "settings.json", SeenSettings)
    try:
        before = file.read()
    except ValidationError:
        before = None
    now = seen_settings(settings)
    if now != before:
        file.write(now)
    return changed(before.digests, now.digests) if before else []
