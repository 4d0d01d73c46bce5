"""One engine restores and drills: an item is staged, compared, and takes its place or is discarded.

An item is a database, a collection or a volume, and knows only how that is done with it. Whether it
is done, what is skipped and what is said of it is decided here. A drill is the same without `swap`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from pydantic import JsonValue

from onyx_pipelines.core.errors import IntegrityError, NotFoundError, SettingsError, SourceError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.progress import Meter, ProgressCallback
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.scratch import private_workdir, refuse_inside_volumes, sweep_workdirs
from onyx_pipelines.restore.findings import damaged, no_room, nothing_there, outcome
from onyx_pipelines.restore.journal import (
    Finished,
    RestoreJournal,
    despite_differences,
    has_failed,
    still_the_same,
)
from onyx_pipelines.restore.results import (
    ComponentResult,
    Finding,
    Step,
    StepClock,
    StepTiming,
    share_of,
)
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.reading import SetObjects

_log = logger("restore")
Placed: TypeAlias = Mapping[str, JsonValue]
# Keeps in the journal what tells an item in its place from another of its name.
Note: TypeAlias = Callable[[Placed], None]


@dataclass
class Work:
    """What the drill or the restore of one component has to work with.

    Args:
        workdir: below which scratch is made.
        begun: how many timings the clock has of the components before.
    """

    component: Component
    objects: SetObjects
    clock: StepClock
    workdir: Path
    settings: Settings
    progress: ProgressCallback
    begun: int = field(init=False)

    def __post_init__(self) -> None:
        self.begun = len(self.clock.timings())

    @property
    def steps(self) -> tuple[StepTiming, ...]:
        """Those of this component."""
        return self.clock.timings()[self.begun :]

    def meter(self, item: str, total_bytes: int) -> Meter:
        return Meter(self.progress, component=self.component, item=item, total_bytes=total_bytes)

    @contextmanager
    def scratch(
        self, prefix: str, before_removal: Callable[[Path], None] = lambda _: None
    ) -> Iterator[Path]:
        """A private directory. Those that killed ones left under the same prefix go first.

        Args:
            before_removal: called with each of those.

        Raises:
            RestoreError: it cannot be made.
        """
        with self.clock.step(Step.PREPARE, "scratch"):
            sweep_workdirs(self.workdir, prefix=prefix, before_removal=before_removal)
        with private_workdir(self.workdir, prefix=prefix) as directory:
            yield directory

    def refuse_inside_volumes(self) -> None:
        """Raises SettingsError: a drill would write into what it is to protect."""
        refuse_inside_volumes(self.workdir, self.settings.volume_paths)

    def result(
        self,
        findings: Sequence[Finding],
        *,
        plain_bytes: int,
        versions: Mapping[str, str],
        **more: Any,
    ) -> ComponentResult:
        """Of this component; `versions`: beside those that the set tells."""
        record = self.objects.manifest.component(self.component)
        return ComponentResult(
            component=self.component,
            findings=tuple(findings),
            steps=self.steps,
            plain_bytes=plain_bytes,
            versions={**(record.versions if record else {}), **versions},
            **more,
        )


class Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


@dataclass(frozen=True)
class Placement(Generic[T]):
    """Something of the set and its name where it goes."""

    of_set: T
    final_name: str


def placements_of(things: Sequence[T], new_name: str, noun: str) -> list[Placement[T]]:
    """Each with its own name, or the only one with the new one.

    Raises:
        SettingsError: there are several for one name.
    """
    if new_name and len(things) != 1:
        raise SettingsError(
            f"The name {new_name!r} is for one {noun}, and {len(things)} are to be restored.",
            remedy=f"Choose one with --{noun}:"
            f" {', '.join(each.name for each in things) or 'none is there'}.",
        )
    return [Placement(each, new_name or each.name) for each in things]


def chosen_of(things: Sequence[T], names: Collection[str], noun: str, why: str = "") -> list[T]:
    """Those of these names; all where none is named.

    Args:
        why: what else to say of those that are missing.

    Raises:
        NotFoundError: one is not in the set.
    """
    missing = sorted(set(names) - {each.name for each in things})
    if missing:
        raise NotFoundError(
            f"The set has no {noun} {', '.join(missing)}.{why}",
            remedy=f"It has: {', '.join(each.name for each in things) or 'none'}.",
        )
    return [each for each in things if not names or each.name in names]


@dataclass(frozen=True)
class PlannedChange:
    """One line of a plan: `what` of the set goes to `target`; `detail` is for a person, in whole
    sentences."""

    what: str
    target: str
    overwrites: bool
    detail: str


class Restoration(Protocol):
    """One component of a set, as a person has chosen from it, and the place that it goes to.

    Making one raises NotFoundError, SettingsError: the choice fits neither the set nor this host.
    """

    @property
    def identity(self) -> str:
        """What tells the place from every other."""
        ...

    def plan(self) -> Sequence[PlannedChange]:
        """What would be done; reads only.

        Raises:
            RestoreError: something is in the way that no restore would remove.
            SourceError: the place does not answer.
        """

    def restore(self, work: Work, journal: RestoreJournal) -> ComponentResult:
        """Item after item. What the journal has is compared again.

        Raises:
            RestoreError: something is in the way; what was there is there.
            SourceError: the place does not answer, or is not one that can take it.
            StoreError, KeyFileError: the set cannot be read.
        """


class StagedItem(Protocol):
    """Something of a set that is made where it disturbs nobody, and thrown away again."""

    @property
    def name(self) -> str: ...

    def stage(self) -> None:
        """Make it beside what is there."""

    def compare(self) -> Sequence[Finding]:
        """What was made with what the set says that it was."""

    def discard(self) -> None:
        """Take away what was made and is not in its place; also where nothing was made."""


class Item(StagedItem, Protocol):
    """One that can take its place. `place` names that for a person: "database app"."""

    component: Component

    @property
    def place(self) -> str:
        """What it becomes, for a person: "database app"."""
        ...

    def is_there(self, placed: Placed) -> bool:
        """Whether what an earlier call put in place is there still."""

    def compare_in_place(self, placed: Placed) -> Sequence[Finding]:
        """That with what the set says that it was."""

    def swap(self, note: Note) -> Sequence[Finding]:
        """Put in place what was staged; the first finding says so.

        Where it can be known again in its place, `note` is called before: so the journal is true
        from that instant.
        """

    def complete(self) -> Sequence[Finding]:
        """What can be done in its place only; after a kill once more."""


@dataclass(frozen=True)
class Leftover:
    """What a killed drill or restore had made: `discard` takes it away, or completes it where that
    loses nothing."""

    what: str
    discard: Callable[[], object]


def sweep(leftovers: Iterable[Leftover]) -> list[str]:
    """Discard what killed ones had made; the host's lock says that they are dead. Gives what went.

    What cannot go is told in the log: it keeps nobody from a restore.

    Raises:
        RestoreError: without it, data would be lost.
    """
    gone = []
    for each in leftovers:
        try:
            each.discard()
        except (OSError, SourceError) as error:
            why = error.what if isinstance(error, SourceError) else error.strerror
            _log.warning("left by an interrupted run, and still there: %s (%s)", each.what, why)
        else:
            _log.warning("left by an interrupted run, and discarded: %s", each.what)
            gone.append(each.what)
    return gone


class Drilling:
    """Drills one item after the other: a restore that throws away what it has compared.

    `restored_bytes` of `all_bytes`: what was staged, in its entirety.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.restored_bytes = 0
        self.all_bytes = 0

    def run(
        self, item: StagedItem, plain_bytes: int, *, room: tuple[Path, int] | None = None
    ) -> None:
        """What is damaged, or has no room, is a finding.

        Args:
            room: a directory, and how many bytes its file system lacks.

        Raises:
            OnyxError: as the item does, which is discarded all the same.
        """
        self.all_bytes += plain_bytes
        if room is not None and room[1] > 0:
            self.findings.append(no_room(item.name, *room))
            return
        try:
            item.stage()
            self.restored_bytes += plain_bytes
            self.findings += item.compare()
        except (IntegrityError, NotFoundError) as error:
            self.findings.append(damaged(item.name, error))
        finally:
            item.discard()

    def result(self, work: Work, versions: Mapping[str, str], **more: Any) -> ComponentResult:
        return work.result(
            self.findings or [nothing_there(work.component)],
            plain_bytes=self.restored_bytes,
            share=share_of(self.restored_bytes, self.all_bytes),
            versions=versions,
            **more,
        )


def in_place_since(journal: RestoreJournal, item: Item) -> Finished | None:
    """What an earlier call put in place, if it is there still."""
    earlier = journal.finished(item.component, item.name)
    return earlier if earlier is not None and item.is_there(earlier.placed) else None


class Restoring:
    """Restores one item after the other.

    `findings`: of all. `in_place`: names of those that are. `unfinished`: what the same call tries
    again.
    """

    def __init__(self, journal: RestoreJournal) -> None:
        self._journal = journal
        self.findings: list[Finding] = []
        self.in_place: list[str] = []
        self.unfinished: list[str] = []

    def run(self, item: Item) -> None:
        """Into its place, unless it differs, or has been there since an earlier call.

        Raises:
            OnyxError: as the item does; what was there is there, unless the text says more.
        """
        earlier = in_place_since(self._journal, item)
        if earlier is not None:
            again = still_the_same(earlier, item.compare_in_place(earlier.placed))
            self.findings += [*again, *item.complete()]
            if not has_failed(again):
                self.in_place.append(item.name)
            return
        try:
            item.stage()
            findings = item.compare()
            if self._journal.lets_pass(findings):
                self.findings += [*self._swapped(item, findings), *item.complete()]
                self.in_place.append(item.name)
            else:
                said = f"Not put in place: {item.place}; what was there is as it was."
                self.leave(item.name, *findings, outcome(Verdict.FAILED, item.name, said))
        finally:
            item.discard()

    def result(
        self, work: Work, *, plain_bytes: int, versions: Mapping[str, str], **more: Any
    ) -> ComponentResult:
        return work.result(
            self.findings,
            plain_bytes=plain_bytes,
            versions=versions,
            unfinished=tuple(self.unfinished),
            **more,
        )

    def leave(self, name: str, *findings: Finding) -> None:
        """It is not in its place, because of these."""
        self.findings += findings
        self.unfinished.append(name)

    def _swapped(self, item: Item, compared: Sequence[Finding]) -> Sequence[Finding]:
        findings = [*compared, *despite_differences(item.name, compared)]
        noted: dict[str, JsonValue] = {}

        def note(placed: Placed) -> None:
            noted.update(placed)
            said = outcome(Verdict.PASSED, item.name, f"Put in place: {item.place}.")
            self._journal.add(item.component, item.name, [*findings, said], placed=noted)

        findings += item.swap(note)
        self._journal.add(item.component, item.name, findings, placed=noted)
        return findings
