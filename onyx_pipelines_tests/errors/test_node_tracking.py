"""Errors of the front end, by a real SDK in a real Node: what leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from onyx_pipelines.errors.context import SentryErrorContext
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines_tests.errors import corpus, scrubbing_samples
from onyx_pipelines_tests.errors.fake_tracker import Answer, FakeTracker, event_in, unused_dsn
from onyx_pipelines_tests.errors.node_service import (
    NodeService,
    installed_module,
    node_service,
)

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
    key.write_text(scrubbing_samples.KEY + "\n")
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
    assert (context.user_id, context.session_id) == (
        scrubbing_samples.USER,
        scrubbing_samples.SESSION,
    )
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
    assert "Sentry.captureException(" in frame["context_line"]
    assert len(frame["pre_context"]) == len(frame["post_context"]) == 5
    assert event["release"] == "suna@1.4.2"
    assert event["tags"]["service"] == "suna"


def test_errors_that_are_alike_are_as_many_as_there_were(watched: Watched) -> None:
    """The SDK's own would tell of the first alone."""
    kept = {watched.service.capture("it broke once more") for _ in range(3)}
    assert watched.service.flush()

    assert len(kept) == 3
    assert kept <= set(watched.tracker.ids)


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
    source_map = {
        "version": 3,
        "sources": ["../../app/%40chat/route.ts"],
        "sourcesContent": [
            "// one\n\nconst key = 'sk-aB3aB3aB3aB3aB3';\n// 4\n// 5\nbreak();\n// 7"
        ],
        "mappings": "AAKA",
    }
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
    assert [each.get("context_line") for each in told] == ["break();", None]
    assert told[0]["pre_context"] == ["// one", "", "const key = [quoted];", "// 4", "// 5"]
    assert told[0]["post_context"] == ["// 7"]


def test_who_wants_no_line_of_source_has_none_whoever_read_it(tmp_path: Path) -> None:
    frame = {"filename": str(tmp_path / "app.mjs"), "lineno": 1, "in_app": True}
    Path(frame["filename"]).write_text("break();\n")
    read = {"pre_context": ["a"], "context_line": "b", "post_context": ["c"]}
    failed = {"type": "Error", "stacktrace": {"frames": [{**frame, **read}]}}

    for wanted, line in ((True, "break();"), (False, None)):
        spool = tmp_path / f"spool-{wanted}"
        with node_service(unused_dsn(), spool, sourceLines=wanted) as service:
            service.capture(fields={"exception": {"values": [failed]}})
        (found,) = Spool(spool, 10**6).waiting()
        (told,) = event_in(found.path.read_bytes())["exception"]["values"][0]["stacktrace"][
            "frames"
        ]
        assert told.get("context_line") == line
        assert "c" not in told.get("post_context", [])


def test_what_ends_a_process_is_told(module: Path, tmp_path: Path) -> None:
    with node_service(unused_dsn(), tmp_path, module=module) as service:
        service.tell("throw")
        service.process.wait(20)

    (found,) = Spool(tmp_path, 10**6).waiting()
    assert event_in(found.path.read_bytes())["exception"]["values"][0]["value"] == "uncaught"
