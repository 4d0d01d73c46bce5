"""Who it was: the user of the shell, the token, or what launched a run."""

from __future__ import annotations

import os
import pwd

import pytest
from dagster._core.storage import tags as dagster_tags

from onyx_pipelines.audit.origin import Channel, api_origin, cli_origin, origin_of_run

TICK = {"dagster/tick": "17"}


def test_a_shell_is_named_by_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("USER", "somebody-else")

    origin = cli_origin()

    assert origin.channel is Channel.CLI
    assert origin.actor.split(" ")[0] == pwd.getpwuid(os.getuid()).pw_name
    assert origin.address == ""


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ("2001:db8::7 50000 192.0.2.1 22", "2001:db8::7"),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_a_shell_through_ssh_names_the_client(
    monkeypatch: pytest.MonkeyPatch, connection: str, address: str
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", connection)

    assert cli_origin().address == address


def test_the_tags_are_those_that_dagster_sets() -> None:
    assert dagster_tags.TICK_ID_TAG == "dagster/tick"
    assert dagster_tags.SCHEDULE_NAME_TAG == "dagster/schedule_name"
    assert dagster_tags.SENSOR_NAME_TAG == "dagster/sensor_name"
    assert dagster_tags.PARENT_RUN_ID_TAG == "dagster/parent_run_id"
    assert dagster_tags.RETRY_NUMBER_TAG == "dagster/retry_number"
    assert dagster_tags.RETRY_NUMBER_TAG in dagster_tags.TAGS_TO_MAYBE_OMIT_ON_RETRY
    assert dagster_tags.USER_TAG == "user"


@pytest.mark.parametrize(
    ("tags", "actor"),
    [
        ({"dagster/schedule_name": "nightly", **TICK}, "schedule nightly"),
        ({"dagster/sensor_name": "lagging", **TICK}, "sensor lagging"),
        (
            {"dagster/parent_run_id": "a1", "dagster/retry_number": "2"},
            "retry 2 of run a1",
        ),
    ],
)
def test_what_the_daemon_launches_is_automatic(tags: dict[str, str], actor: str) -> None:
    origin = origin_of_run(tags)

    assert (origin.channel, origin.actor, origin.automatic) == (Channel.DAEMON, actor, True)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {".dagster/repository": "__repository__@onyx_pipelines", "onyx/exclusive": "heavy"},
        {"dagster/partition": "2026-03-01"},
        {"dagster/backfill": "abcdef"},
        # Re-executed from the UI: its parent's tags are inherited.
        {"dagster/schedule_name": "nightly", "dagster/parent_run_id": "a1", **TICK},
        {**api_origin("ci", "192.0.2.9").as_tags(), "dagster/parent_run_id": "a1"},
        # Only claimed by whoever launched it.
        {"dagster/schedule_name": "nightly"},
        {"dagster/sensor_name": "lagging"},
        {"dagster/tick": "17"},
    ],
)
def test_everything_else_is_a_person_in_the_ui(tags: dict[str, str]) -> None:
    origin = origin_of_run(tags)

    assert (origin.channel, origin.actor, origin.automatic) == (Channel.UI, "dagster-ui", False)


def test_the_user_of_the_ui_is_named_where_dagster_knows_one() -> None:
    assert origin_of_run({"user": "alice@example.org"}).actor == "alice@example.org"


def test_a_run_that_the_api_launched_names_the_token_and_the_client() -> None:
    asked = api_origin("ci", "2001:db8::9")

    assert origin_of_run(asked.as_tags()) == asked


def test_tags_cannot_make_a_run_automatic_by_naming_the_daemon() -> None:
    origin = origin_of_run({"onyx/launched_from": "daemon", "onyx/launched_by": "mallory"})

    assert not origin.automatic
