"""Events of the front end, in a real Node, on their way to a tracker: none is lost or doubled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pydantic import SecretStr

from onyx_pipelines.errors.delivery import Connection, deliver
from onyx_pipelines.errors.endpoint import endpoint_of
from onyx_pipelines.errors.envelope import envelope_of
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines.sandbox.suna.module import SOURCE
from onyx_pipelines_tests.errors.fake_tracker import Answer, FakeTracker, event_in, unused_dsn
from onyx_pipelines_tests.errors.node_service import node_service
from onyx_pipelines_tests.waiting import wait_until


def test_events_wait_in_files_of_their_own_user_as_pythons_do(tmp_path: Path) -> None:
    spool = tmp_path / "spool"

    with node_service(unused_dsn(), spool) as service:
        kept = [service.capture() for _ in range(3)]

    found = list(Spool(spool, 10**6).waiting())
    assert [each.event_id for each in found] == kept
    assert {each.path.stat().st_mode & 0o777 for each in found} == {0o600}
    assert spool.stat().st_mode & 0o777 == 0o700


def test_to_flush_says_whether_all_was_delivered(tmp_path: Path) -> None:
    """The SDK's own says so of what was only put aside."""
    with node_service(unused_dsn(), tmp_path / "spool") as service:
        service.capture()

        assert not service.flush(50)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(500), id="it is ill"),
        pytest.param(Answer(200, b"<html>please sign in</html>"), id="something stands before it"),
        pytest.param(Answer(403), id="the key is wrong"),
        pytest.param(Answer(429, headers={"Retry-After": "1"}), id="too many"),
        pytest.param(Answer(400), id="it refuses everything"),
    ],
)
def test_what_a_tracker_does_not_take_is_delivered_later_in_order(
    tmp_path: Path, answer: Answer
) -> None:
    spool = tmp_path / "spool"
    with FakeTracker() as tracker, node_service(tracker.dsn, spool) as service:
        tracker.answer = lambda _: answer
        kept = [service.capture() for _ in range(3)]
        wait_until(lambda: tracker.envelopes, "it was asked")
        tracker.answer = lambda _: Answer()

        assert service.flush(20_000)
        assert tracker.ids == kept
        assert not list(spool.glob("*.event"))
        assert json.loads((spool / "counts.json").read_text()) == {
            "delivered": 3,
            "dropped": 0,
            "refused": 0,
        }


def test_an_event_that_is_refused_while_others_are_taken_is_given_up(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with FakeTracker() as tracker, node_service(tracker.dsn, spool) as service:
        tracker.answer = lambda _: Answer(503)
        refused = service.capture("refused")
        taken = service.capture("taken")
        tracker.answer = lambda event: Answer(413 if event["event_id"] == refused else 200)

        assert service.flush(20_000)
        assert tracker.ids == [taken]
        assert json.loads((spool / "counts.json").read_text())["refused"] == 1


def test_an_event_that_the_tracker_has_already_is_not_refused(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with FakeTracker() as tracker, node_service(tracker.dsn, spool) as service:
        tracker.answer = lambda _: Answer(400, b'{"message": "[\'Event already exists\']"}')
        service.capture()

        assert service.flush(20_000)
        assert json.loads((spool / "counts.json").read_text())["delivered"] == 1


def test_what_the_disk_does_not_take_is_delivered_from_memory(tmp_path: Path) -> None:
    file = tmp_path / "no_folder"
    file.touch()
    with FakeTracker() as tracker, node_service(tracker.dsn, file / "spool") as service:
        kept = [service.capture() for _ in range(3)]

        assert service.flush()

    assert tracker.ids == kept
    assert tracker.repeats == 0


def test_a_thread_that_failed_starts_again_and_does_what_was_left(tmp_path: Path) -> None:
    folder, once = tmp_path / "suna", tmp_path / "once"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"))
    worker = folder / "errors" / "worker.mjs"
    failing = f"(await import('node:fs')).rmSync('{once}'); throw new Error('planted')"
    worker.write_text(
        f"if ((await import('node:fs')).existsSync('{once}')) {{ {failing}; }}\n"
        + worker.read_text()
    )
    once.touch()
    with (
        FakeTracker() as tracker,
        node_service(tracker.dsn, tmp_path / "spool", folder=folder) as service,
    ):
        service.capture("planted")
        assert service.flush()

    assert not once.exists()
    assert [each["message"] for each in tracker.events] == ["planted"]


def test_beyond_its_limit_the_oldest_are_dropped_and_counted(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with FakeTracker() as tracker:
        tracker.answer = lambda _: Answer(503)
        with node_service(tracker.dsn, spool, spoolLimitBytes=8_000) as service:
            kept = [service.capture() for _ in range(40)]
            tracker.answer = lambda _: Answer()
            assert service.flush(20_000)

    dropped = json.loads((spool / "counts.json").read_text())["dropped"]
    assert 0 < dropped < 40
    assert tracker.ids == kept[dropped:]


def test_what_a_killed_process_kept_its_successor_delivers(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with FakeTracker() as tracker:
        tracker.answer = lambda _: Answer(503)
        with node_service(tracker.dsn, spool) as service:
            kept = [service.capture() for _ in range(5)]
        tracker.answer = lambda _: Answer()

        with node_service(tracker.dsn, spool) as service:
            assert service.flush(20_000)

    assert tracker.ids == kept


def test_what_node_kept_python_delivers(tmp_path: Path) -> None:
    with FakeTracker() as tracker:
        with node_service(unused_dsn(), tmp_path) as service:
            kept = [service.capture() for _ in range(3)]
        connection = Connection(endpoint_of(SecretStr(tracker.dsn)))

        found = deliver(Spool(tmp_path, 10**6), connection.post)
        connection.close()

    assert found
    assert found.is_done
    assert tracker.ids == kept


def test_what_python_kept_node_delivers(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**6)
    ids = [f"{number:032x}" for number in range(3)]
    for each in ids:
        spool.put(each, envelope_of({"event_id": each, "message": "planted"}, "event"))

    with FakeTracker() as tracker, node_service(tracker.dsn, tmp_path) as service:
        assert service.flush()

    assert tracker.ids == ids


def test_while_node_delivers_python_does_not(tmp_path: Path) -> None:
    with FakeTracker() as tracker, node_service(tracker.dsn, tmp_path) as service:
        service.capture()
        assert service.flush()

        with Spool(tmp_path, 10**6).delivering() as is_ours:
            assert not is_ours


def test_while_python_delivers_node_does_not(tmp_path: Path) -> None:
    with FakeTracker() as tracker, Spool(tmp_path, 10**6).delivering() as is_ours:
        assert is_ours
        with node_service(tracker.dsn, tmp_path) as service:
            service.capture()

            assert not service.flush(300)

    assert not tracker.events


def test_who_exits_leaves_the_delivery_to_the_next_at_once(tmp_path: Path) -> None:
    with FakeTracker() as tracker, node_service(tracker.dsn, tmp_path) as service:
        service.capture()
        assert service.flush()
        service.tell("captureAndExit", count=1)
        service.process.wait(20)

    with Spool(tmp_path, 10**6).delivering() as is_ours:
        assert is_ours


def test_a_process_that_exits_loses_nothing_that_was_handed_over(tmp_path: Path) -> None:
    with node_service(unused_dsn(), tmp_path) as service:
        service.tell("captureAndExit", count=50)
        service.process.wait(20)

    found = [
        event_in(each.path.read_bytes())["message"] for each in Spool(tmp_path, 10**6).waiting()
    ]
    assert found == [f"planted {number}" for number in range(50)]
