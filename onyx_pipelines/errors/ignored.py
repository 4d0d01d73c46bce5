"""Which failures are no errors: statuses that alerts do not count either, and types that are named.
Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onyx_pipelines.core.settings import ErrorSettings

# As frameworks and clients call it: Starlette, LiteLLM and OpenAI; aiohttp and our API; urllib.
_STATUS_NAMES = ("status_code", "status", "code")


def is_ignored(error: BaseException, settings: ErrorSettings) -> bool:
    """Of that type or one above it, or with such a status of HTTP."""
    names = {name for kind in type(error).__mro__ for name in _names(kind)}
    if names.intersection(settings.error_ignored_types):
        return True
    return any(status in settings.ignored_statuses for status in _statuses(error))


def _names(kind: type) -> tuple[str, str]:
    return kind.__name__, f"{kind.__module__}.{kind.__qualname__}"


def _statuses(error: BaseException) -> Iterator[int]:
    response: Any = getattr(error, "response", None)
    for of in (error, response):
        for name in _STATUS_NAMES:
            found = getattr(of, name, None)
            if isinstance(found, int):
                yield found
