"""The faults of the diagnosis benchmark, its draw, and how its results are judged."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.diagnosis import chosen
from bench.diagnosis_faults import Fault, Intensity, faults, kept_apart
from bench.diagnosis_results import Diagnosed, append, judged, read
from bench.strikes.machine import Machine
from onyx_pipelines.monitoring.playbooks import Playbook

_EVERY = {each.name: each for each in faults(Machine(Path()))}


def test_there_are_thirty_kinds_of_fault_and_each_has_three_intensities() -> None:
    assert len(_EVERY) == 30
    assert all(set(each.strikes) == set(Intensity) for each in _EVERY.values())


def test_every_playbook_is_right_for_some_and_more_than_one_is_said_why() -> None:
    assert frozenset[Playbook]().union(*(each.right for each in _EVERY.values())) == set(Playbook)
    assert all(bool(each.why) == (len(each.right) > 1) for each in _EVERY.values())


def test_the_draw_is_of_the_names_alone_whatever_their_order() -> None:
    names = list(_EVERY)
    random.Random(1).shuffle(names)

    assert kept_apart(names) == kept_apart(list(_EVERY))


def test_the_draw_is_the_one_that_was_published() -> None:
    assert kept_apart(list(_EVERY)) == {
        "LiteLLM hangs",
        "the provider limits our rate",
        "a key of the provider's is revoked",
        "the provider takes long to begin an answer",
        "Qdrant is gone",
        "collections are red",
        "points are lost",
        "shards are dead",
        "the wrong certificate is served",
        "there is no recent backup",
        "scheduled runs failed",
        "the processors are busy",
        "the disk is full",
        "nginx has no connection left",
        "searches take long",
    }


def test_the_halves_are_apart_and_all_of_it() -> None:
    names = list(_EVERY)
    halves = [chosen(names, half, ()) for half in ("open", "kept-apart")]

    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == chosen(names, "both", ()) == set(names)


@pytest.mark.parametrize(
    ("named", "share"),
    [
        ((Playbook.LLM_DOWN,), 100),
        ((Playbook.LLM_DOWN, Playbook.DATABASE_FAILURE), 100),
        ((Playbook.DATABASE_FAILURE, Playbook.LLM_DOWN), 0),
        ((), 0),
    ],
)
def test_only_what_is_named_first_counts(named: tuple[Playbook, ...], share: float) -> None:
    fault = Fault("the model", frozenset({Playbook.LLM_DOWN}), {})

    first, *_ = judged([_found(named, fault.name)], {fault.name: fault}, [fault.name])

    assert first.value == share


def test_health_is_judged_by_what_is_named_in_it() -> None:
    results = [_found(()), _found((Playbook.CERTIFICATE_EXPIRY,)), _found(())]

    line = judged(results, {}, ())[0]

    assert (line.value, line.verdict, line.detail) == (1, "MISSED", "ssl-expiry")


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = [_found((Playbook.LLM_DOWN,), "a fault"), _found(())]
    for each in written:
        append(tmp_path / "results", each)

    assert read(tmp_path / "results") == written


def _found(named: tuple[Playbook, ...], fault: str = "") -> Diagnosed:
    return Diagnosed(
        at=datetime(2026, 11, 27, tzinfo=UTC),
        commit="0123456",
        fault=fault,
        intensity=Intensity.CLEAR if fault else None,
        named=named,
        because=dict.fromkeys(named, ("a step: 1",)),
        unknown=(),
        took_s=1.0,
    )
