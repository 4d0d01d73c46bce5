"""What one rehearsal found, as it is kept."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from onyx_pipelines.core.text import limit_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.playbooks import Playbook

# From what goes wrong until people are told (specification of the game days).
DETECTED_WITHIN_S = 60.0


class TypedStep(BaseModel):
    """One step of a resolution, as it was gone through.

    Args:
        written: the playbook's own command; empty: it is done elsewhere, by a person.
        typed: the same with what the playbook says to fill in; empty: it was not run.
        exit_status: None: it was not run, or did not end in time.
        output: its last lines.
        left_out: why it was not run; empty: it was.
    """

    model_config = ConfigDict(frozen=True)

    do: str
    written: str
    typed: str = ""
    exit_status: int | None = None
    took_s: float = 0.0
    output: str = ""
    left_out: str = ""

    @property
    def could_run(self) -> bool:
        """126, 127 and mostly 2 say that a command is not what it should be; 1, that an answer is
        bad; 2 of ours without an error, that something is not known."""
        is_answer = self.typed.startswith("onyx ") and "error:" not in self.output
        return bool(self.left_out) or self.exit_status in ((0, 1, 2) if is_answer else (0, 1))


class Rehearsal(BaseModel):
    """One incident, from its strike on; times in seconds since then, None: it did not come to that.

    Args:
        scenario: its name.
        load: how many processes of the machine wanted a processor, on average over a minute.
        alert: the first that people were told of.
        named: playbooks by the triage, the likeliest first.
        unwell: what kept the all-clear back, or the strike; empty: nothing.
    """

    model_config = ConfigDict(frozen=True)

    rehearsal_id: str
    scenario: str
    playbook: Playbook
    struck_at: AwareDatetime
    load: float
    alert: str = ""
    alerted_s: float | None = None
    diagnosed_s: float | None = None
    named: tuple[Playbook, ...] = ()
    steps: tuple[TypedStep, ...] = ()
    recovered_s: float | None = None
    cleared_s: float | None = None
    unwell: str = ""

    @property
    def detect_s(self) -> float | None:
        """From the strike to the first message."""
        return self.alerted_s

    @property
    def diagnose_s(self) -> float | None:
        """From the message to the triage's answer."""
        return _between(self.alerted_s, self.diagnosed_s)

    @property
    def repair_s(self) -> float | None:
        """From the answer until what the playbook measures is well again."""
        return _between(self.diagnosed_s, self.recovered_s)

    @property
    def whole_s(self) -> float | None:
        """From the strike to the all-clear."""
        return self.cleared_s

    @property
    def is_right_first(self) -> bool:
        """Whether the triage named its playbook, before any other."""
        return self.named[:1] == (self.playbook,)

    @property
    def problems(self) -> tuple[str, ...]:
        """What did not go as it should, in the order in which it would be noticed."""
        if self.alerted_s is None and self.unwell:
            return (self.unwell,)
        broken = [each.typed for each in self.steps if not each.could_run]
        found = {
            "Nobody was told of it.": self.alerted_s is None,
            f"It was told of after more than {limit_text(DETECTED_WITHIN_S)}.": (
                self.alerted_s is not None and self.alerted_s > DETECTED_WITHIN_S
            ),
            f"The triage named {_said(self.named)} first.": not self.is_right_first,
            f"A command could not be run as it is written: {'; '.join(broken)}.": bool(broken),
            "The written steps did not repair it.": self.recovered_s is None,
            "The all-clear did not come.": self.cleared_s is None,
        }
        return (*(text for text, holds in found.items() if holds), *filter(None, [self.unwell]))

    @property
    def verdict(self) -> Verdict:
        """What could not be struck says nothing of the playbook."""
        if self.alerted_s is None and self.unwell:
            return Verdict.COULD_NOT_VERIFY
        return Verdict.FAILED if self.problems else Verdict.PASSED


def _between(begin_s: float | None, end_s: float | None) -> float | None:
    return None if begin_s is None or end_s is None else end_s - begin_s


def _said(named: tuple[Playbook, ...]) -> str:
    return named[0].value if named else "nothing"
