"""One collection after the other: one that fails does not stop the others.

What may pass by itself is tried once more when all others are done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.journal import JournalError

_ROUNDS: Final = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Taken(Generic[T]):
    """`missing`: why, by name. `vanished`: those that were dropped meanwhile."""

    done: tuple[T, ...]
    missing: Mapping[str, SourceError]
    vanished: tuple[str, ...]


def take_each(
    names: Iterable[str], take: Callable[[str], T], present: Callable[[], Collection[str]]
) -> Taken[T]:
    """Take every one of them.

    Args:
        take: one by its name.
        present: the names that there are now.

    Raises:
        SourceError: the server does not answer, or there is not one that could be taken.
        JournalError: what we make there could not be noted.
    """
    done: list[T] = []
    missing: dict[str, SourceError] = {}
    vanished: list[str] = []
    waiting = list(names)
    for _ in range(_ROUNDS):
        for name in waiting:
            missing.pop(name, None)
            try:
                done.append(take(name))
            except JournalError:
                raise
            except SourceError as error:
                # A server that has gone is not the fault of a collection: then this raises.
                if name in present():
                    missing[name] = error
                else:
                    vanished.append(name)
        if missing and not done:
            raise _of_all(missing)
        waiting = [name for name, error in missing.items() if error.transient]
    return Taken(tuple(done), missing, tuple(vanished))


def _of_all(errors: Mapping[str, SourceError]) -> SourceError:
    (_, first), *others = errors.items()
    if not others:
        return first
    names = ", ".join(name for name, _ in others)
    return SourceError(
        f"{first.what} None of the others could be backed up either: {names}.",
        remedy=first.remedy,
        transient=any(error.transient for error in errors.values()),
    )
