"""Logs are JSON lines without secrets."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from onyx_pipelines.core.logs import (
    Redactor,
    configure_logging,
    log_fields,
    logger,
    process_fields,
)
from onyx_pipelines_tests.cli.awkward_names import AWKWARD, unprintable

SECRET = 's3cr3t-"val\\ue-91'


@pytest.fixture(autouse=True)
def _no_handler_is_left() -> Iterator[None]:
    yield
    logging.getLogger("onyx").handlers.clear()


@pytest.fixture
def log_lines() -> io.StringIO:
    stream = io.StringIO()
    configure_logging(secrets=[SECRET], stream=stream)
    return stream


def assert_masked(stream: io.StringIO) -> None:
    assert "[secret]" in stream.getvalue()
    assert "s3cr3t" not in stream.getvalue()


def test_a_record_is_one_line_of_json_with_its_fields(log_lines: io.StringIO) -> None:
    logger("backup").info("set %s done", "a1", extra={"backup_id": "a1", "sealed_bytes": 5})

    record = json.loads(log_lines.getvalue())
    assert record["message"] == "set a1 done"
    assert record["logger"] == "onyx.backup"
    assert record["level"] == "info"
    assert (record["backup_id"], record["sealed_bytes"]) == ("a1", 5)


def test_work_marks_every_record_within_it(log_lines: io.StringIO) -> None:
    with process_fields(run="r1"):
        with log_fields(backup_id="a1"), log_fields(component="qdrant"):
            logger("stores").warning("again")
        logger("stores").warning("after")

    within, after = (json.loads(line) for line in log_lines.getvalue().splitlines())
    assert (within["run"], within["backup_id"], within["component"]) == ("r1", "a1", "qdrant")
    assert after["run"] == "r1"
    assert "backup_id" not in after


def test_every_thread_names_the_run_until_it_ends(log_lines: io.StringIO) -> None:
    with process_fields(run="r1"):
        thread = threading.Thread(target=logger("stores").warning, args=["within"])
        thread.start()
        thread.join()
    logger("stores").warning("after")

    within, after = (json.loads(line) for line in log_lines.getvalue().splitlines())
    assert within["run"] == "r1"
    assert "run" not in after


def test_runs_that_overlap_leave_nothing_of_each_other(log_lines: io.StringIO) -> None:
    first, second = process_fields(run="r1", job="a"), process_fields(run="r2")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    logger("stores").warning("within the second")
    second.__exit__(None, None, None)
    logger("stores").warning("after")

    within, after = (json.loads(line) for line in log_lines.getvalue().splitlines())
    assert (within["run"], within.get("job")) == ("r2", None)
    assert "run" not in after


def test_the_time_is_utc(log_lines: io.StringIO) -> None:
    logger("backup").info("x")

    assert json.loads(log_lines.getvalue())["time"].endswith("+00:00")


def test_a_secret_in_the_message_is_masked(log_lines: io.StringIO) -> None:
    logger("backup").info("password=%s", SECRET)

    assert_masked(log_lines)


def test_a_secret_in_a_field_is_masked(log_lines: io.StringIO) -> None:
    logger("backup").info("x", extra={"dsn": f"postgresql://u:{SECRET}@h/d"})

    assert_masked(log_lines)


def test_a_secret_in_a_traceback_is_masked(log_lines: io.StringIO) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger("backup").exception("it failed")

    assert_masked(log_lines)
    assert "ValueError" in log_lines.getvalue()


def test_a_line_break_in_a_message_stays_inside_one_line(log_lines: io.StringIO) -> None:
    logger("backup").info("a\nb")

    assert log_lines.getvalue().count("\n") == 1


def test_a_secret_that_contains_another_is_masked_whole() -> None:
    assert Redactor(["abcdef", "abcdefghi"]).clean("x abcdefghi y") == "x [secret] y"


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("name", AWKWARD)
def test_a_name_sends_nothing_to_the_terminal_that_shows_the_log(name: str, as_json: bool) -> None:
    stream = io.StringIO()
    configure_logging(stream=stream, as_json=as_json)

    logger("backup").warning("%s is skipped", name, extra={"path": name})

    assert not unprintable(stream.getvalue())
    assert len(stream.getvalue().splitlines()) == len(f"{name}.".splitlines()) or as_json


def test_a_secret_with_an_umlaut_is_masked_in_both_forms() -> None:
    for as_json in (True, False):
        stream = io.StringIO()
        configure_logging(secrets=["geheimnis-äöü"], stream=stream, as_json=as_json)
        logger("backup").warning("it is geheimnis-äöü")

        assert "geheimnis" not in stream.getvalue()
