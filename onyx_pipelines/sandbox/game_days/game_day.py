"""One incident from its strike to the all-clear: who is told, what the triage says, what the
playbook's commands do, and how long each takes."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import duration_text, stamp_text
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.diagnosis import Outcome
from onyx_pipelines.readiness.playbook import Action, IncidentPlaybook, Measured, Nothing, playbooks
from onyx_pipelines.readiness.rehearsals.record import DETECTED_WITHIN_S, Rehearsal, TypedStep
from onyx_pipelines.readiness.rehearsals.scenarios import Scenario
from onyx_pipelines.readiness.rehearsals.walking import filled_in, why_left_out
from onyx_pipelines.sandbox.game_days.broken import Broken, broken_file, mend
from onyx_pipelines.sandbox.game_days.faults import FAULTS
from onyx_pipelines.sandbox.game_days.stage import THRESHOLDS, Say, up
from onyx_pipelines.sandbox.game_days.terminal import Terminal

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.monitoring.receiver import Told
    from onyx_pipelines.sandbox.stack import Sandbox

_LOOK_S: Final = 0.25
_CALM_WITHIN_S: Final = 180.0
# Longer than it may take, so that what is late is known to have come.
_TOLD_WITHIN_S: Final = 2 * DETECTED_WITHIN_S
# Two rounds of scraping, and what a server needs to start.
_HELPS_WITHIN_S: Final = 8.0
_RECOVERS_WITHIN_S: Final = 120.0
_CLEARED_WITHIN_S: Final = 120.0
_KEPT_OUTPUT: Final = 1500


class GameDay:
    """Rehearsals in one sandbox, which is well before and after each of them.

    Args:
        say: told what is being done, a line at a time.
    """

    def __init__(self, sandbox: Sandbox, say: Say = lambda _: None) -> None:
        self._sandbox = sandbox
        self._say = say
        self._terminal = Terminal(sandbox)
        self._begun_at = datetime.now(UTC)

    def rehearse(self, scenario: Scenario) -> Rehearsal:
        """Break, watch, diagnose, repair by the book, and put right whatever is left.

        Raises:
            OnyxError: the sandbox could not be put right again.
        """
        written = next(each for each in playbooks(THRESHOLDS) if each.id is scenario.playbook)
        found = self._begun(scenario)
        if unwell := self._unwell(scenario, written):
            return found.model_copy(update={"unwell": unwell})
        self._say(f"{scenario.id}: {scenario.breaks}")
        with self._broken(scenario.id):
            try:
                return self._gone_through(scenario, written, self._struck(scenario, found))
            except (OnyxError, httpx.HTTPError) as error:
                return found.model_copy(update={"unwell": f"It could not be rehearsed: {error}"})

    def _begun(self, scenario: Scenario) -> Rehearsal:
        now = datetime.now(UTC)
        return Rehearsal(
            rehearsal_id=f"{stamp_text(now)}-{scenario.id}-{secrets.token_hex(3)}",
            scenario=scenario.id,
            playbook=scenario.playbook,
            struck_at=now,
            load=round(os.getloadavg()[0], 2),
        )

    @contextmanager
    def _broken(self, scenario: str) -> Iterator[None]:
        """Noted before, and put right after, whatever happens."""
        broken_file(self._sandbox).write(Broken(scenario=scenario, since=datetime.now(UTC)))
        try:
            yield
        finally:
            self._say("  put right again …")
            mend(self._sandbox)
            up(self._sandbox)

    def _struck(self, scenario: Scenario, found: Rehearsal) -> Rehearsal:
        """From here on the clock runs; a backup that is made to fail is news when it has failed."""
        begun = datetime.now(UTC)
        FAULTS[scenario.id].strike(self._sandbox)
        is_told_later = scenario.playbook is Playbook.SYNC_FAILURE
        struck_at = datetime.now(UTC) if is_told_later else begun
        return found.model_copy(update={"struck_at": struck_at})

    def _gone_through(
        self, scenario: Scenario, written: IncidentPlaybook, found: Rehearsal
    ) -> Rehearsal:
        def since() -> float:
            return round((datetime.now(UTC) - found.struck_at).total_seconds(), 2)

        facts: dict[str, Any] = {}
        told = self._first_told(scenario, found)
        if told is not None:
            moment = datetime.fromisoformat(told.at)
            facts["alert"] = told.alert
            facts["alerted_s"] = round((moment - found.struck_at).total_seconds(), 2)
            self._say(f"  {told.alert} after {duration_text(facts['alerted_s'])}")
        facts["named"], outcomes = self._triaged(scenario.playbook)
        facts["diagnosed_s"] = since()
        self._say(f"  triage: {', '.join(facts['named']) or 'nothing'}")
        facts["steps"] = tuple(self._typed(written, outcomes))
        if _until(lambda: self._is_over(written), _RECOVERS_WITHIN_S):
            facts["recovered_s"] = since()
            facts["unwell"] = FAULTS[scenario.id].lacks(self._sandbox)
            if _until(lambda: self._is_cleared(scenario, found), _CLEARED_WITHIN_S):
                facts["cleared_s"] = since()
        return found.model_copy(update=facts)

    def _first_told(self, scenario: Scenario, found: Rehearsal) -> Told | None:
        def told() -> list[Told]:
            return [each for each in self._told_of(scenario, found) if each.status == "firing"]

        _until(lambda: bool(told()), _TOLD_WITHIN_S)
        return next(iter(told()), None)

    def _told_of(self, scenario: Scenario, found: Rehearsal) -> list[Told]:
        return [e for e in self._told_since(found.struck_at) if e.alert in scenario.alerts]

    def _told_since(self, moment: datetime) -> list[Told]:
        told = self._sandbox.monitoring.receiver.told()
        return [each for each in told if datetime.fromisoformat(each.at) >= moment]

    def _triaged(self, playbook: Playbook) -> tuple[tuple[Playbook, ...], dict[str, Outcome]]:
        """What it names, and what each step of this playbook's diagnosis gave."""
        answer = self._terminal.asked("onyx triage --json")
        considered = [*answer["named"], *answer["ruled_out"], *answer["could_not_tell"]]
        evidence = next(each["evidence"] for each in considered if each["playbook"] == playbook)
        outcomes = {each["step"]: Outcome(each["outcome"]) for each in evidence}
        return tuple(Playbook(each["playbook"]) for each in answer["named"]), outcomes

    def _typed(
        self, written: IncidentPlaybook, outcomes: Mapping[str, Outcome]
    ) -> Iterator[TypedStep]:
        """The resolution, step by step."""
        said = ""
        patience_s = _HELPS_WITHIN_S
        for action in written.resolution:
            is_over = False
            if action.if_needed:
                is_over = _until(lambda: self._is_over(written), patience_s)
                patience_s = 0
            step = self._one(action, outcomes, said, is_over=is_over)
            said += f"{step.output}\n"
            yield step

    def _one(
        self, action: Action, outcomes: Mapping[str, Outcome], said: str, *, is_over: bool
    ) -> TypedStep:
        why = why_left_out(action, outcomes, is_over=is_over)
        command = filled_in(action, said)
        if not why and command is None:
            why = f"{', '.join(action.fill_in)} is not in what the commands before said."
        if why or not command:
            return TypedStep(do=action.do, written=action.command, left_out=why)
        self._say(f"  $ {command}")
        answer = self._terminal.type(command)
        return TypedStep(
            do=action.do,
            written=action.command,
            typed=command,
            exit_status=answer.exit_status,
            took_s=round(answer.took_s, 2),
            output=answer.output[-_KEPT_OUTPUT:],
        )

    def _unwell(self, scenario: Scenario, written: IncidentPlaybook) -> str:
        """Why nothing can be shown by breaking it now; empty: all is well."""
        self._sandbox.monitoring.prometheus.forget()
        begun = time.monotonic()
        if _until(lambda: self._is_calm(scenario, written), _CALM_WITHIN_S):
            self._say(
                f"{scenario.id}: all is well, after {duration_text(time.monotonic() - begun)}"
            )
            return ""
        odd = "; ".join(each.asks for each in self._odd()) or "an alert of it was on already"
        return f"It was not well before: {odd}."

    def _is_calm(self, scenario: Scenario, written: IncidentPlaybook) -> bool:
        names = "|".join(sorted(scenario.alerts))
        active = self._sandbox.monitoring.prometheus.series(f'ALERTS{{alertname=~"{names}"}}')
        last: dict[str, str] = {}
        # Of before nobody may have been told that it was over: the sandbox was taken down.
        for each in self._told_since(self._begun_at):
            last[each.alert] = each.status
        is_told = any(last.get(name) == "firing" for name in scenario.alerts)
        is_quiet = not active and not is_told
        return is_quiet and self._is_over(written) and not self._odd()

    def _odd(self) -> list[Measured]:
        """Questions of the diagnoses whose answers name some playbook now."""
        return [
            step.measured
            for each in playbooks(THRESHOLDS)
            for step in each.diagnosis
            if step.is_decisive and step.query and self._is_well(step.measured) is False
        ]

    def _is_over(self, written: IncidentPlaybook) -> bool:
        """Whether all is well that the playbook measures in the end."""
        return all(self._is_well(each) for each in written.recovered)

    def _is_well(self, measured: Measured) -> bool | None:
        """None: nobody knows."""
        found = self._sandbox.monitoring.prometheus.series(measured.query)
        if not found:
            return True if measured.if_nothing is Nothing.HEALTHY else None
        return measured.is_healthy(float(found[0]["value"][1]))

    def _is_cleared(self, scenario: Scenario, found: Rehearsal) -> bool:
        """Whether for each alert that came, people were told that it is over."""
        status: dict[str, str] = {}
        for each in self._told_of(scenario, found):
            status[each.alert] = each.status
        return all(each == "resolved" for each in status.values())


def _until(holds: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return held
