"""Errors of the front end, by a real SDK in a real Node: what leaves, and that none is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from onyx_pipelines.errors.context import SentryErrorContext
from onyx_pipelines.errors.delivery import Connection, deliver
from onyx_pipelines.errors.endpoint import endpoint_of
from onyx_pipelines.errors.envelope import envelope_of
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines_tests.errors import corpus, test_scrubbing
from onyx_pipelines_tests.errors.fake_tracker import Answer, FakeTracker, event_in, unused_dsn
from onyx_pipelines_tests.errors.node_service import (
    SUNA,
    NodeService,
    installed_module,
    node_service,
)
from onyx_pipelines_tests.waiting import wait_until

REQUEST: Final = {
    "url": "http://suna/api/chat?thread=4711",
    "method": "POST",
    "headers": {
        "Content-Length": "512",
        "User-Agent": "curl/8",
        "Authorization": "Bearer 4f1c0ffee",
        "Cookie": "session=4f1c0ffee",
    },
}


@pytest.fixture(scope="module")
def module() -> Path:
    return installed_module()


@dataclass(frozen=True)
class Watched:
    """A service, its tracker, and where its events wait."""

    service: NodeService
    tracker: FakeTracker
    spool: Path


@pytest.fixture(scope="module")
def watched(module: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Shared: each test looks at the events that it made."""
    folder = tmp_path_factory.mktemp("watched")
    key = folder / "key"
    key.write_text(test_scrubbing.KEY + "\n")
    spool = folder / "spool"
    with (
        FakeTracker() as tracker,
        node_service(
            tracker.dsn,
            spool,
            module=module,
            pseudonymKeyFile=str(key),
            ignoredTypes=["Expected"],
        ) as service,
    ):
        yield Watched(service, tracker, spool)


def test_an_event_has_the_specifications_error_context(watched: Watched) -> None:
    scope = {
        "user": {"id": 4711, "session_id": "s-1", "email": "bob@example.org"},
        "request": REQUEST,
        "breadcrumbs": [{"category": "rag", "message": "asked", "level": "warning"}],
    }
    watched.service.capture("it broke", scope=scope)
    assert watched.service.flush()

    event = watched.tracker.events[-1]
    context = SentryErrorContext.of(event)
    assert (context.user_id, context.session_id) == (test_scrubbing.USER, test_scrubbing.SESSION)
    assert context.request_context.model_dump() == {
        "url": "http://suna/api/chat[query]",
        "method": "POST",
        "headers": {"content-length": "512", "user-agent": "curl/8"},
        "body_size": 512,
    }
    system = context.system_context
    assert (system.service_name, system.version, system.container_id) == ("suna", "1.4.2", "")
    assert 20 < system.memory_usage_mb < 2000
    assert 0 <= system.cpu_usage_percent < 800
    crumb = context.breadcrumbs[-1]
    assert (crumb.category, crumb.message, crumb.level) == ("rag", "asked", "warning")
    assert crumb.timestamp.endswith("Z")


def test_it_says_what_failed_and_where(watched: Watched) -> None:
    watched.service.capture("it broke again")
    assert watched.service.flush()

    event = watched.tracker.events[-1]
    (failed,) = event["exception"]["values"]
    assert (failed["type"], failed["value"]) == ("Error", "it broke again")
    frame = failed["stacktrace"]["frames"][-1]
    assert frame["filename"].endswith("tracked_service.mjs")
    assert frame["lineno"] > 10
    assert event["release"] == "suna@1.4.2"
    assert event["tags"]["service"] == "suna"


def test_work_of_nobodys_session_is_of_the_process(watched: Watched) -> None:
    watched.service.capture()
    watched.service.capture()
    assert watched.service.flush()

    first, second = (SentryErrorContext.of(each) for each in watched.tracker.events[-2:])
    assert first.user_id is None
    assert first.session_id == second.session_id
    assert first.session_id.startswith("p-")


def test_no_secret_is_on_the_wire_or_in_a_file_whatever_field_it_was_put_in(
    watched: Watched,
) -> None:
    """As an SDK for Node has them; all places are tried without one in test_node_scrubbing."""
    secrets = corpus.secrets(18, len(corpus.KINDS))
    watched.tracker.answer = lambda _: Answer(503)
    before = len(watched.tracker.envelopes)
    for each in secrets:
        watched.service.capture(each.said, scope=_with_everywhere(each))
    kept = [each.path.read_text() for each in Spool(watched.spool, 10**9).waiting()]
    watched.tracker.answer = lambda _: Answer()
    assert watched.service.flush(30_000)

    assert len(kept) == len(secrets)
    told = [*kept, *(each.decode() for each in watched.tracker.envelopes[before:])]
    leaks = [secret.kind for secret in secrets for text in told if secret.is_in(text)]
    assert leaks == []


def _with_everywhere(secret: corpus.Secret) -> dict[str, object]:
    said, value, in_url = secret.said, secret.value, quote(secret.value, safe="")
    return {
        "user": {"id": value, "email": value, "username": value, "ip_address": value},
        "tags": {"component": said, "customer": value},
        "extra": {"argv": ["node", value], "deep": {"deeper": [value]}},
        "contexts": {"llm": {"prompt": value}, "error_context": {"session_id": value}},
        "breadcrumbs": [
            {"category": said, "message": said, "data": {"url": f"http://x/?q={value}"}},
            {
                "category": "http",
                "data": {"method": "GET", "url": f"http://x:{in_url}@y/?q={value}"},
            },
        ],
        "request": {
            "url": f"http://suna/a?q={in_url}",
            "headers": {"Cookie": value, "Authorization": value, "User-Agent": said, "X": value},
            "cookies": {"session": value},
            "data": value,
            "query_string": f"q={value}",
        },
    }


@pytest.mark.parametrize(
    "properties",
    [{"status": 404}, {"statusCode": 429}, {"response": {"status": 404}}, {"name": "Expected"}],
)
def test_what_is_no_error_is_not_captured(watched: Watched, properties: dict[str, object]) -> None:
    watched.service.tell("capture", message="not told", **properties)
    watched.service.capture(f"told {properties}")
    assert watched.service.flush()

    values = [each["exception"]["values"][0]["value"] for each in watched.tracker.events]
    assert values[-1].startswith("told ")
    assert "not told" not in values


def test_an_event_that_cannot_be_handed_over_leaves_as_its_types_alone(watched: Watched) -> None:
    watched.service.tell("captureUnclonable")
    assert watched.service.said()["kept"]
    assert watched.service.flush()

    event = watched.tracker.events[-1]
    assert event["tags"] == {"scrubber": "failed", "service": "suna"}
    assert "message" not in event


def test_a_frame_of_a_built_file_is_told_by_the_source_that_it_was_built_from(
    tmp_path: Path,
) -> None:
    """What Next.js minifies is one line long."""
    built, other = tmp_path / "chunk.js", tmp_path / "without_a_map.js"
    # Of column 0 of the first line: the first source, its sixth line, column 0.
    source_map = {"version": 3, "sources": ["../../app/%40chat/route.ts"], "mappings": "AAKA"}
    Path(f"{built}.map").write_text(json.dumps(source_map))
    frames = [
        {"filename": str(path), "function": "t", "lineno": 1, "colno": 90, "in_app": True}
        for path in (built, other)
    ]
    failed = {"type": "Error", "value": "it broke", "stacktrace": {"frames": frames}}

    with node_service(unused_dsn(), tmp_path / "spool") as service:
        service.capture(fields={"exception": {"values": [failed]}})

    (found,) = Spool(tmp_path / "spool", 10**6).waiting()
    told = event_in(found.path.read_bytes())["exception"]["values"][0]["stacktrace"]["frames"]
    assert [(each["filename"], each["lineno"], each["in_app"]) for each in told] == [
        ("app/@chat/route.ts", 6, True),
        (str(other), 1, True),
    ]


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
    shutil.copytree(SUNA, folder, ignore=shutil.ignore_patterns("node_modules"))
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


def test_what_ends_a_process_is_told(module: Path, tmp_path: Path) -> None:
    with node_service(unused_dsn(), tmp_path, module=module) as service:
        service.tell("throw")
        service.process.wait(20)

    (found,) = Spool(tmp_path, 10**6).waiting()
    assert event_in(found.path.read_bytes())["exception"]["values"][0]["value"] == "uncaught"
