"""Where the SDK's events pass the scrubber: between their completion and the spool."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from typing import Any

from sentry_sdk.scrubber import EventScrubber

from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.context import with_context
from onyx_pipelines.errors.ignored import is_ignored
from onyx_pipelines.errors.scrubbing import Scrubber, stub
from onyx_pipelines.errors.source_lines import SourceLines
from onyx_pipelines.errors.system import System


class ScrubbingOfSdk(EventScrubber):
    """What happens to an event in the SDK. Between the two calls the SDK makes plain data of it,
    which takes longer than all else: so it is scrubbed before, and the SDK is left next to nothing.
    """

    def __init__(self, settings: ErrorSettings, system: System, secrets: Iterable[str]) -> None:
        super().__init__()
        self._settings = settings
        self._system = system
        self._scrub = Scrubber(
            pseudonym_key=settings.error_pseudonym_key.get_secret_value(), secrets=secrets
        )
        self._source = SourceLines(self._scrub.text) if settings.error_source_lines else None
        self._process_session = uuid.uuid4().hex
        self._of_thread = threading.local()

    def scrub_event(self, event: Any) -> None:
        """As the SDK calls its own scrubber, when an event is complete."""
        if event.get("type") != "check_in":
            self._of_thread.ready = self._scrubbed(event)
            known = event.get("event_id")
            event.clear()
            event["event_id"] = known

    def before_send(self, event: Any, hint: Any) -> Any:
        """The last call. An event that came another way is scrubbed now."""
        ready = vars(self._of_thread).pop("ready", None)
        error = (hint.get("exc_info") or (None, None))[1]
        if isinstance(error, BaseException) and is_ignored(error, self._settings):
            return None
        if ready is not None and ready.get("event_id") == event.get("event_id"):
            return ready
        return self._scrubbed(event)

    def _scrubbed(self, event: Any) -> dict[str, Any]:
        try:
            if event.get("type") != "check_in":
                if self._source:
                    self._source.add_to(event)
                event = with_context(event, self._system.context(), self._process_session)
        except Exception:  # noqa: BLE001  (the SDK would drop it, and say nothing)
            return stub(event)
        return self._scrub(event)
