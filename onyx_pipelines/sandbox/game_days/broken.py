"""What a rehearsal has broken, noted before it is: whoever comes next puts it right."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.sandbox.game_days.faults import FAULTS

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

_FILE: Final = "broken.json"


class Broken(BaseModel):
    """`scenario`: of what was struck, or was about to be."""

    model_config = ConfigDict(frozen=True)

    scenario: str
    since: AwareDatetime


def broken_file(sandbox: Sandbox) -> RecordFile[Broken]:
    """No file: nothing is broken on purpose."""
    return RecordFile(sandbox.state_dir / _FILE, Broken)


def mend(sandbox: Sandbox, say: Callable[[str], None] = lambda _: None) -> None:
    """Put right what a rehearsal that was killed has left broken; fine if nothing is. What it
    stopped is not started: that is what `Sandbox.up` does next.

    Raises:
        OnyxError: it cannot be put right.
    """
    noted = broken_file(sandbox)
    try:
        found = noted.read()
    except ValidationError:
        # Of another version: each of these does no harm where nothing is broken.
        wrong = list(FAULTS)
    else:
        wrong = [found.scenario] if found else []
    for scenario in wrong:
        say(f"What a rehearsal left broken is put right: {scenario} …")
        if fault := FAULTS.get(scenario):
            fault.undo(sandbox)
    noted.remove()
