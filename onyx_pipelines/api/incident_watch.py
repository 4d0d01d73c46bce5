"""The API's thread that looks after incidents: at once when one is heard of, and every few seconds
for what falls due. It needs no Dagster."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.readiness.incidents.attending import Look, attend
from onyx_pipelines.readiness.triage import triage

_EVERY_S: Final = 10.0
_ENDS_WITHIN_S: Final = 1.0
_log = logger("incidents")


class IncidentWatch:
    """Of the stacks that one API serves.

    Args:
        look: what a look at a stack is.
    """

    def __init__(self, of: Sequence[Settings], *, look: Look = triage) -> None:
        self._of = tuple(of)
        self._look = look
        self._stacks: list[_Stack] = []

    def begin(self) -> None:
        """From now on, until `end`."""
        self._stacks = [_Stack(each, self._look) for each in self._of]
        for each in self._stacks:
            each.start()

    def wake(self) -> None:
        """Something is new."""
        for each in self._stacks:
            each.woken.set()

    def end(self) -> None:
        """What is under way is not waited for long: whoever is next goes on with it."""
        for each in self._stacks:
            each.ended.set()
            each.woken.set()
        for each in self._stacks:
            each.join(_ENDS_WITHIN_S)


class _Stack(threading.Thread):
    """One stack's: another that does not answer keeps nothing from it."""

    def __init__(self, settings: Settings, look: Look) -> None:
        super().__init__(name="incidents", daemon=True)
        self.woken = threading.Event()
        self.ended = threading.Event()
        self._settings = settings
        self._look = look

    def run(self) -> None:
        said = ""
        while not self.ended.is_set():
            self.woken.clear()
            why = self._attended()
            if why and why != said:
                _log.error("Incidents are not attended to: %s", why)
            said = why
            self.woken.wait(_EVERY_S)

    def _attended(self) -> str:
        """Why it could not be done; "": it was."""
        try:
            attend(self._settings, look=self._look)
        except Exception as error:  # noqa: BLE001  (whatever it is: the next pass tries again)
            return str(error) or type(error).__name__
        return ""
