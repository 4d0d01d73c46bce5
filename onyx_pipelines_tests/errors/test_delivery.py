"""What waits is delivered, whole, once and in order, whatever the tracker does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.errors.answers import Fate, limit_s, ruling
from onyx_pipelines.errors.delivery import Connection, Delivery, Pass, deliver
from onyx_pipelines.errors.endpoint import endpoint_of
from onyx_pipelines.errors.envelope import envelope_of, sent
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines_tests.errors.fake_tracker import Answer, FakeTracker, unused_dsn
from onyx_pipelines_tests.waiting import wait_until

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


@pytest.fixture
def tracker() -> Iterator[FakeTracker]:
    with FakeTracker() as tracker:
        yield tracker


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "errors", 100_000)


def put(spool: Spool, *numbers: int, text: str = "") -> list[str]:
    """Events with these ids."""
    ids = [f"{number:032x}" for number in numbers]
    for each in ids:
        spool.put(each, envelope_of({"event_id": each, "message": text}, "event"))
    return ids


def once(spool: Spool, dsn: str, limit_s: float = 10) -> Pass:
    """One look of the delivery."""
    with Connection(endpoint_of(SecretStr(dsn)), limit_s) as connection:
        found = deliver(spool, connection.post)
    assert found is not None
    return found


def test_what_waits_is_delivered_in_the_order_of_its_capture(
    spool: Spool, tracker: FakeTracker
) -> None:
    ids = put(spool, 3, 1, 2)

    found = once(spool, tracker.dsn)

    assert tracker.ids == ids
    assert (found.delivered, found.is_done) == (3, True)
    assert spool.status().waiting == 0
    assert spool.status().counts.delivered == 3


def test_without_a_tracker_everything_stays_until_there_is_one(
    spool: Spool, tracker: FakeTracker
) -> None:
    ids = put(spool, 1, 2)

    failed = once(spool, unused_dsn()).failed
    waiting = spool.status().waiting
    put(spool, 3)
    once(spool, tracker.dsn)

    assert "ConnectionRefusedError" in failed
    assert waiting == 2
    assert tracker.ids[:2] == ids


def test_a_tracker_that_does_not_answer_is_left(spool: Spool) -> None:
    put(spool, 1)
    with FakeTracker() as tracker:
        tracker.answer = lambda _: Answer(headers={"Content-Length": "9"}, body=b"")

        found = once(spool, tracker.dsn, limit_s=0.2)

    assert found.failed
    assert spool.status().waiting == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>Sign in</html>"),
        Answer(body=b'"ok"'),
        Answer(302, headers={"Location": "/login"}),
        Answer(401),
        Answer(404),
        Answer(500),
        Answer(502, b"<html>"),
    ],
    ids=["page", "text", "redirect", "key", "project", "broken", "proxy"],
)
def test_what_no_tracker_answered_leaves_the_event_where_it_is(
    spool: Spool, tracker: FakeTracker, answer: Answer
) -> None:
    put(spool, 1, 2)
    tracker.answer = lambda _: answer

    found = once(spool, tracker.dsn)

    assert found.failed
    assert len(tracker.envelopes) == 1
    assert spool.status().waiting == 2


def test_a_tracker_that_asks_to_wait_gets_nothing_more(spool: Spool, tracker: FakeTracker) -> None:
    put(spool, 1, 2)
    tracker.answer = lambda _: Answer(429, headers={"Retry-After": "7"})

    found = once(spool, tracker.dsn)

    assert (found.wait_s, found.failed) == (7, "")
    assert len(tracker.envelopes) == 1


def test_one_that_takes_an_event_and_asks_to_wait_is_obeyed(
    spool: Spool, tracker: FakeTracker
) -> None:
    put(spool, 1, 2)
    tracker.answer = lambda _: Answer(headers={"X-Sentry-Rate-Limits": "9:error:project"})

    found = once(spool, tracker.dsn)

    assert (found.wait_s, found.delivered, spool.status().waiting) == (9, 1, 1)


def test_an_event_that_is_refused_keeps_no_other_and_is_counted(
    spool: Spool, tracker: FakeTracker
) -> None:
    bad, *good = put(spool, 1, 2, 3)
    tracker.answer = lambda event: Answer(413 if event["event_id"] == bad else 200)

    once(spool, tracker.dsn)

    assert tracker.ids == good
    assert spool.status().waiting == 0
    assert spool.status().counts.refused == 1
    assert spool.status().lost == 1


def test_an_event_that_the_tracker_has_already_is_not_refused(
    spool: Spool, tracker: FakeTracker
) -> None:
    """As Bugsink says it, where its first answer was lost."""
    put(spool, 1)
    tracker.answer = lambda _: Answer(400, b'{"message": "[\'Event already exists\']"}')

    once(spool, tracker.dsn)

    assert spool.status().waiting == 0
    assert spool.status().lost == 0


def test_a_tracker_that_refuses_everything_costs_no_event(
    spool: Spool, tracker: FakeTracker
) -> None:
    put(spool, *range(40))
    tracker.answer = lambda _: Answer(400)

    found = once(spool, tracker.dsn)

    assert found.failed
    assert spool.status().waiting == 40
    assert len(tracker.envelopes) < 20


def test_a_damaged_file_keeps_no_other(spool: Spool, tracker: FakeTracker) -> None:
    put(spool, 1)
    next(spool.waiting()).path.write_bytes(b"{")
    [good] = put(spool, 2)

    once(spool, tracker.dsn)

    assert tracker.ids == [good]
    assert spool.status().waiting == 0


def test_what_was_answered_and_not_removed_is_sent_again_with_the_same_id(
    spool: Spool, tracker: FakeTracker
) -> None:
    """As a kill between the two leaves it."""
    put(spool, 1)
    waiting = next(spool.waiting())
    kept = waiting.path.read_bytes()
    once(spool, tracker.dsn)
    waiting.path.write_bytes(kept)

    once(spool, tracker.dsn)

    assert (len(tracker.events), tracker.repeats) == (1, 1)


def test_only_one_process_delivers(spool: Spool, tracker: FakeTracker) -> None:
    put(spool, 1)
    with spool.delivering() as alone:
        other = deliver(spool, Connection(endpoint_of(SecretStr(tracker.dsn))).post)

    assert alone
    assert other is None
    assert tracker.ids == []


def test_the_thread_delivers_what_was_captured_while_the_tracker_was_away(
    tmp_path: Path, tracker: FakeTracker
) -> None:
    spool = Spool(tmp_path / "errors", 100_000)
    answers = iter([Answer(503)])
    tracker.answer = lambda _: next(answers, Answer())
    delivery = Delivery(spool, endpoint_of(SecretStr(tracker.dsn)))
    ids = put(spool, 1, 2)

    delivery.wake()

    wait_until(lambda: tracker.ids == ids, "both are delivered")
    delivery.stop()


def test_what_the_disk_does_not_take_is_delivered_from_memory(
    tmp_path: Path, tracker: FakeTracker
) -> None:
    (tmp_path / "errors").write_text("no folder")
    spool, endpoint = Spool(tmp_path / "errors", 1), endpoint_of(SecretStr(tracker.dsn))
    delivery = Delivery(spool, endpoint, poll_s=0.05)
    answers = iter([Answer(503)])
    tracker.answer = lambda _: next(answers, Answer())

    delivery.hold(envelope_of({"event_id": "a" * 32}, "event"))
    delivery.hold(envelope_of({"event_id": "b" * 32}, "event"))

    wait_until(lambda: len(tracker.events) == 2, "both are delivered")
    delivery.stop()
    assert tracker.ids == ["a" * 32, "b" * 32]


def test_flush_waits_for_what_was_captured(spool: Spool, tracker: FakeTracker) -> None:
    delivery = Delivery(spool, endpoint_of(SecretStr(tracker.dsn)))
    ids = put(spool, 1, 2)

    delivery.flush(60)
    delivery.stop()

    assert tracker.ids == ids


def test_the_oldest_give_way_and_are_counted(tmp_path: Path, tracker: FakeTracker) -> None:
    spool = Spool(tmp_path / "errors", 5_000)
    ids = put(spool, *range(10), text="x" * 900)

    once(spool, tracker.dsn)

    assert tracker.ids == ids[-4:]
    assert spool.status().counts.dropped == 6


def test_nobody_else_reads_what_waits(spool: Spool) -> None:
    put(spool, 1)

    assert next(spool.waiting()).path.stat().st_mode & 0o777 == 0o600
    assert spool.folder.stat().st_mode & 0o777 == 0o700


def test_the_status_says_since_when_how_much_waits(spool: Spool) -> None:
    before = datetime.now(UTC)
    ids = put(spool, 1, 2)

    found = spool.status()

    assert found.waiting == 2
    assert found.size_bytes > 100
    assert found.oldest is not None
    assert before <= found.oldest <= datetime.now(UTC)
    assert [each.event_id for each in spool.waiting()] == ids


def test_a_spool_that_was_never_used_holds_nothing(spool: Spool) -> None:
    assert (spool.status().waiting, spool.status().oldest, spool.status().lost) == (0, None, 0)


def test_a_spool_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "errors").write_text("a file")

    with pytest.raises(OSError):
        put(Spool(tmp_path / "errors", 1), 1)


def test_an_envelope_says_when_it_is_sent_not_when_it_was_made() -> None:
    head, item, payload, end = sent(envelope_of({"event_id": "a" * 32}, "event"), NOW).split(b"\n")

    assert json.loads(head) == {"event_id": "a" * 32, "sent_at": "2026-11-27T09:00:00+00:00"}
    assert json.loads(item) == {"type": "event", "length": len(payload)}
    assert json.loads(payload) == {"event_id": "a" * 32}
    assert end == b""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("60:error:organization", 60),
        ("60::key", 60),
        ("60:default;error:key", 60),
        ("86400:transaction;span:organization", 0),
        ("86400:transaction:organization, 5:error:key", 5),
        ("999999:error:key", 3600),
        ("soon:error", 0),
        ("", 0),
    ],
)
def test_a_limit_holds_for_the_categories_that_it_names(header: str, seconds: float) -> None:
    assert limit_s(header) == seconds


def test_without_a_time_a_limit_holds_for_a_minute() -> None:
    found = ruling(429, {}, b"", NOW)

    assert (found.fate, found.wait_s) == (Fate.LATER, 60)


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("https://key@errors.example.org/7", (True, "errors.example.org", 443, "/api/7/envelope/")),
        ("http://key@127.0.0.1:8000/7", (False, "127.0.0.1", 8000, "/api/7/envelope/")),
        ("https://key:x@h/sub/7", (True, "h", 443, "/sub/api/7/envelope/")),
    ],
)
def test_a_dsn_says_where_to(dsn: str, expected: tuple[bool, str, int, str]) -> None:
    found = endpoint_of(SecretStr(dsn))

    assert (found.tls, found.host, found.port, found.path) == expected
    assert "sentry_key=key" in found.headers["X-Sentry-Auth"]


@pytest.mark.parametrize(
    "dsn", ["key", "ftp://key@h/7", "https://h/7", "https://key@h", "https://k@h:x/7"]
)
def test_what_is_no_dsn_is_refused_and_not_quoted(dsn: str) -> None:
    with pytest.raises(SettingsError) as failure:
        endpoint_of(SecretStr(dsn))

    assert "key@" not in str(failure.value).replace("KEY@", "")
