"""Launching runs exactly once: under one lock for all processes of the API, by Idempotency-Key, and
with nothing left behind by what was answered as a failure."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from onyx_pipelines.api.access import Caller
from onyx_pipelines.api.dagster_client import (
    LONGEST_S,
    DagsterClient,
    Location,
    UncertainError,
)
from onyx_pipelines.api.launch_book import Entry, LaunchBook
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.settings import ApiSettings
from onyx_pipelines.host.locks import lock

_log = logger("api")
_LOOK_AGAIN_S: Final = 5.0
# So long a web server may sit on a question whose answer nobody waits for any more.
_MAY_STILL_COME_S: Final = 600.0
# A run in one of these is in nobody's hands yet.
_MADE: Final = "NOT_STARTED"
_QUEUED: Final = "QUEUED"

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Asked:
    """A request that launches.

    Args:
        key: hash of its Idempotency-Key.
        request: hash of token, method, path and body.
        deadline: on the monotonic clock; afterwards 504 is the answer, whatever becomes of it.
    """

    caller: Caller
    key: str | None
    request: str
    deadline: float


@dataclass(frozen=True)
class Launch(Generic[A]):
    """A run to launch, and what is answered then.

    Args:
        audit: around launching it.
        id_field: where in the answer the run's id belongs; empty: nowhere.
    """

    job: str
    config: Mapping[str, Any]
    answer: A
    audit: Callable[[], AbstractContextManager[object]]
    id_field: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    assets: Sequence[str] = ()


class Launcher:
    """Of one host; every process of the API that shares its state directory keeps to the same."""

    def __init__(self, settings: ApiSettings, dagster: DagsterClient) -> None:
        self._folder = settings.state_dir / "api"
        self._reserve_s = min(LONGEST_S, settings.api_request_timeout_s / 2)
        self._dagster = dagster
        self._book = LaunchBook(self._folder / "launches.sqlite")
        self._closed = threading.Event()
        self._tidying = threading.Lock()

    def close(self) -> None:
        self._closed.set()

    def known(self, asked: Asked, kind: type[A]) -> A | None:
        """What this key was answered with.

        Raises:
            ProblemError: 422, the key was used for another request.
        """
        entry = self._entry_of(asked)
        return kind.model_validate(entry.answer) if entry and entry.settled else None

    def once(self, asked: Asked, kind: type[A], decide: Callable[[], Launch[A] | A]) -> A:
        """Launch what `decide` gives, unless this key has been answered; an answer as it is
        launches nothing.

        Raises:
            ProblemError: 422, the key was used for another request; 503, nothing was launched, or
                the answer says what may be left.
        """
        with self._alone(asked.deadline):
            if entry := self._entry_of(asked):
                if answer := self._settled(entry):
                    return kind.model_validate(answer)
                self._book.release_key(entry.launch_id)
            self._tidy()
            decided = decide()
            entry = Entry(
                launch_id=str(uuid.uuid4()),
                key=asked.key,
                request=asked.request,
                begun_at=self._book.now(),
                id_field=decided.id_field if isinstance(decided, Launch) else "",
                answer=(decided.answer if isinstance(decided, Launch) else decided).model_dump(
                    mode="json"
                ),
            )
            if isinstance(decided, Launch):
                entry = self._launch(entry, decided, asked.deadline)
            if asked.key:
                self._book.put(replace(entry, settled=True))
            return kind.model_validate(entry.answer)

    def tidy_up_soon(self) -> None:
        """Until nothing is left that an answer of failure may have left."""
        if self._tidying.acquire(blocking=False):
            threading.Thread(target=self._keep_tidying, name="launches", daemon=True).start()

    def _launch(self, entry: Entry, launch: Launch[A], deadline: float) -> Entry:
        location = self._dagster.location_of(launch.job)
        if deadline - time.monotonic() < self._reserve_s:
            raise ProblemError(
                503,
                "There was no time left to launch it; nothing was launched.",
                remedy="Ask again: Dagster, or another launch, was slow.",
            )
        with launch.audit():
            return self._submit(entry, launch, location)

    def _submit(self, entry: Entry, launch: Launch[A], location: Location) -> Entry:
        self._book.put(entry)
        try:
            run_id = self._dagster.launch(
                location,
                config=launch.config,
                tags={**launch.tags, Tag.LAUNCH_ID: entry.launch_id},
                assets=launch.assets,
            )
        except UncertainError as error:
            return self._after_failure(entry, error)
        except ProblemError:
            self._book.drop(entry.launch_id)
            raise
        if entry.key is None:
            self._book.drop(entry.launch_id)
        return _with_run(entry, run_id)

    def _after_failure(self, entry: Entry, error: UncertainError) -> Entry:
        """The launch, where Dagster took it all the same.

        Raises:
            ProblemError: it did not, or that cannot be told, and the answer says so.
        """
        try:
            run = self._dagster.run_with_tag(Tag.LAUNCH_ID, entry.launch_id)
            if run is not None and run.status == _MADE:
                self._dagster.delete(run.run_id)
            is_left = run is None and not error.is_over
        except ProblemError:
            run, is_left = None, True
        if is_left:
            self.tidy_up_soon()
            raise _maybe_left(entry, error) from None
        if entry.key is None or run is None or run.status == _MADE:
            self._book.drop(entry.launch_id)
        if run is None or run.status == _MADE:
            raise error
        return _with_run(entry, run.run_id)

    def _entry_of(self, asked: Asked) -> Entry | None:
        entry = self._book.with_key(asked.key) if asked.key else None
        if entry is not None and entry.request != asked.request:
            raise ProblemError(
                422,
                "This Idempotency-Key was used for another request (token, method, path and body"
                " belong to it).",
                remedy="Use a new key for a new request, e.g. a UUID.",
            )
        return entry

    def _settled(self, entry: Entry) -> dict[str, Any] | None:
        """The answer, if it was launched; what was made and not launched is removed."""
        if entry.settled:
            return entry.answer
        run = self._dagster.run_with_tag(Tag.LAUNCH_ID, entry.launch_id)
        if run is not None and run.status != _MADE:
            settled = replace(_with_run(entry, run.run_id), settled=True)
            self._book.put(settled)
            return settled.answer
        if run is not None:
            self._dagster.delete(run.run_id)
        return None

    def _keep_tidying(self) -> None:
        try:
            while not self._closed.wait(_LOOK_AGAIN_S):
                # Whatever is wrong will be told to whoever launches next.
                with suppress(ProblemError, OnyxError, OSError):
                    with self._alone(time.monotonic() + _LOOK_AGAIN_S):
                        self._tidy()
                    if not self._book.unsettled():
                        return
        finally:
            self._tidying.release()

    def _tidy(self) -> None:
        """What earlier answers of failure left and nobody has begun is taken away."""
        for entry in self._book.unsettled():
            run = self._dagster.run_with_tag(Tag.LAUNCH_ID, entry.launch_id)
            if run is None:
                if self._book.now() - entry.begun_at < _MAY_STILL_COME_S:
                    continue
            elif run.status == _MADE:
                self._dagster.delete(run.run_id)
            elif run.status == _QUEUED:
                self._dagster.cancel(run.run_id)
            _log.warning(
                "launch %s, answered as a failure, left %s",
                entry.launch_id,
                f"run {run.run_id} ({run.status})" if run else "nothing",
            )
            self._book.drop(entry.launch_id)

    @contextmanager
    def _alone(self, deadline: float) -> Iterator[None]:
        """Between looking whether something runs and launching it, in every process of the API.

        Raises:
            ProblemError: 503, another launch takes too long.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        left_s = deadline - self._reserve_s - time.monotonic()
        with lock(self._folder / "launch.lock", patience_s=left_s) as alone:
            if not alone:
                raise ProblemError(
                    503,
                    "Another launch takes long; nothing was launched.",
                    remedy="Ask again in a moment.",
                    headers={"Retry-After": "5"},
                )
            yield


def _maybe_left(entry: Entry, error: UncertainError) -> ProblemError:
    return ProblemError(
        503,
        f"{error.detail} Whether it was launched is not known.",
        remedy="What is left and has not begun is removed as soon as Dagster answers again (it has"
        f" the tag {Tag.LAUNCH_ID}={entry.launch_id}). With the same Idempotency-Key nothing is"
        " launched twice.",
        more={"may_be_left": {"launch_id": entry.launch_id, **entry.answer}},
    )


def _with_run(entry: Entry, run_id: str) -> Entry:
    if not entry.id_field:
        return entry
    return replace(entry, answer={**entry.answer, entry.id_field: run_id})
