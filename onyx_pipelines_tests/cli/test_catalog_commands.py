"""`onyx catalog`, `verify`, `prune`, `hold`, `release`: JSON shapes and exit codes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import NotFoundError, SettingsError
from onyx_pipelines.vault.public_keys import KeyList
from onyx_pipelines.vault.signing import SIGNERS
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, cut_manifest
from onyx_pipelines_tests.planting import flip_a_byte
from onyx_pipelines_tests.vault.sets import signing_key

runner = CliRunner()


@pytest.fixture
def backup_id(volume_host: HostUnderTest) -> str:
    return volume_host.run().backup_id


def test_a_listed_set_has_the_promised_fields(backup_id: str) -> None:
    answer = runner.invoke(app, ["catalog", "list", "--json"])

    [row] = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert row["backup_id"] == backup_id
    assert row["stores"] == ["local", "offsite"]
    assert row["components"] == ["docker_volumes"]
    assert (row["held"], row["retained_as"], row["status"]) == (False, "daily", "completed")
    assert row["backup_type"] == "daily"
    assert row["size_bytes"] > 0
    assert row["timestamp"].endswith("+00:00")
    assert row["last_verified_at"].endswith("+00:00")


def test_no_set_is_an_empty_list(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("catalog", "list", "--json")

    assert (answer.status, answer.json) == (0, [])


def test_a_store_that_cannot_be_listed_is_an_error_and_no_empty_list(
    volume_host: HostUnderTest,
) -> None:
    volume_host.offsite_dir.rmdir()

    answer = volume_host.onyx("catalog", "list", "--json")

    assert (answer.status, answer.json["error"]["code"]) == (2, "store")
    assert str(volume_host.offsite_dir) in answer.errors


def test_a_manifest_that_does_not_parse_is_warned_of_beside_pure_json(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    (volume_host.backups / "sets" / backup_id / "manifest.json").write_text("{", encoding="utf-8")

    answer = volume_host.onyx("catalog", "list", "--json")

    assert [row["stores"] for row in answer.json] == [["offsite"], ["local"]]
    assert backup_id in answer.errors


def test_show_gives_the_manifest_and_where_it_is(backup_id: str) -> None:
    answer = runner.invoke(app, ["catalog", "show", backup_id[:8], "--json"])

    shown = json.loads(answer.stdout)
    assert shown["backup_id"] == backup_id
    assert shown["stores"] == ["local", "offsite"]
    assert "docker_volumes" in shown["components"]


def test_an_unknown_set_is_an_error(backup_id: str) -> None:
    answer = runner.invoke(app, ["catalog", "show", "0000-not-there"])

    assert backup_id
    assert isinstance(answer.exception, NotFoundError)


@pytest.mark.parametrize("store", ["local", "offsite"])
def test_verify_of_a_good_set_answers_zero_and_names_every_object(
    volume_host: HostUnderTest, backup_id: str, store: str
) -> None:
    answer = runner.invoke(app, ["verify", backup_id, "--store", store, "--json"])

    verdict = json.loads(answer.stdout)
    keys = {item.key for item in volume_host.manifest(backup_id).objects}
    assert (answer.exit_code, verdict["ok"]) == (0, True)
    assert {item["key"] for item in verdict["objects"]} >= keys
    assert all(item["ok"] and item["problem"] is None for item in verdict["objects"])


def test_verify_names_the_damaged_object_and_answers_one(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    damaged = volume_host.first_object(backup_id, store="offsite")
    flip_a_byte(damaged)

    answer = volume_host.onyx("verify", "latest", "--store", "offsite", "--json")

    [bad] = [item for item in answer.json["objects"] if not item["ok"]]
    assert (answer.status, answer.json["ok"]) == (1, False)
    assert bad["key"].endswith(damaged.name)
    assert bad["problem"]


@pytest.mark.parametrize("asked", ["latest", "its id", "the beginning"])
def test_verify_names_a_damaged_manifest_and_answers_one(
    volume_host: HostUnderTest, backup_id: str, asked: str
) -> None:
    cut_manifest(volume_host.backups, backup_id)
    text = {"latest": "latest", "its id": backup_id, "the beginning": backup_id[:8]}[asked]

    answer = volume_host.onyx("verify", text, "--json")

    [bad] = answer.json["objects"]
    assert (answer.status, answer.json["ok"]) == (1, False)
    assert answer.json["backup_id"] == backup_id
    assert bad["key"] == "manifest.json"
    assert "is damaged" in bad["problem"]


def test_the_latest_is_the_damaged_one_if_that_was_written_last(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    runner.invoke(app, ["hold", backup_id])
    newest = volume_host.run().backup_id
    cut_manifest(volume_host.backups, newest)

    answer = volume_host.onyx("verify", "latest", "--json")

    assert (answer.status, answer.json["backup_id"]) == (1, newest)


def test_verify_says_whether_the_set_was_authenticated_and_unsealed(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    shallow = volume_host.onyx("verify", backup_id, "--json").json
    deep = volume_host.onyx("verify", backup_id, "--deep", "--json").json

    assert (shallow["ok"], shallow["authenticated"], shallow["deep"]) == (True, True, False)
    assert (deep["ok"], deep["authenticated"], deep["deep"]) == (True, True, True)


def test_verify_of_what_no_known_host_signed_is_not_plainly_ok_and_answers_two(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    KeyList(volume_host.signers, SIGNERS).save((signing_key("another host").signer,))

    answer = volume_host.onyx("verify", backup_id, "--json")

    assert (answer.status, answer.json["ok"], answer.json["authenticated"]) == (2, False, False)
    assert answer.json["verdict"] == "not authenticated"
    assert "is not among the signers" in answer.json["distrust"]
    assert all(item["ok"] for item in answer.json["objects"])


def test_unsealing_without_a_private_key_is_refused_in_words(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    volume_host.set(PRIVATE_KEY_FILE=None)

    answer = volume_host.onyx("verify", backup_id, "--deep", "--json")

    assert (answer.status, answer.json["error"]["code"]) == (2, "key-file")


@pytest.mark.parametrize("damage", ["manifest", "object"])
def test_a_damaged_set_is_listed_as_such(
    volume_host: HostUnderTest, backup_id: str, damage: str
) -> None:
    if damage == "manifest":
        cut_manifest(volume_host.backups, backup_id)
    else:
        volume_host.first_object(backup_id).unlink()

    rows = volume_host.onyx("catalog", "list", "--json").json
    table = volume_host.onyx("catalog", "list").output

    [bad] = [row for row in rows if row["status"] == "damaged"]
    assert (bad["backup_id"], bad["stores"]) == (backup_id, ["local"])
    assert bad["problem"]
    assert [row["stores"] for row in rows if row is not bad] == [["offsite"]]
    assert "damaged" in table


def test_verify_reads_the_store_that_was_asked_for_and_needs_no_other(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    volume_host.offsite_dir.rename(volume_host.root / "unmounted")

    answer = volume_host.onyx("verify", backup_id, "--store", "local", "--json")

    assert (answer.status, answer.json["ok"]) == (0, True)


def test_verify_in_a_store_that_there_is_not_is_an_error(
    volume_host: HostUnderTest, backup_id: str
) -> None:
    volume_host.set(OFFSITE_URL=None)

    answer = runner.invoke(app, ["verify", backup_id, "--store", "offsite"])

    assert isinstance(answer.exception, SettingsError)


@pytest.fixture
def two_sets(volume_host: HostUnderTest) -> tuple[str, str]:
    """Two sets of one day, of which retention keeps the newer one: newer, older."""
    volume_host.set(OFFSITE_URL=None)
    older = volume_host.run().backup_id
    runner.invoke(app, ["hold", older])
    newer = volume_host.run().backup_id
    runner.invoke(app, ["release", older])
    return newer, older


def test_prune_deletes_nothing_unless_told_to(
    volume_host: HostUnderTest, two_sets: tuple[str, str]
) -> None:
    answer = runner.invoke(app, ["prune", "--json"])

    report = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert report["dry_run"]
    assert [each["backup_id"] for each in report["sets"] if not each["keep"]] == [two_sets[1]]
    assert all(each["reasons"] for each in report["sets"])
    assert volume_host.listed() == list(two_sets)


def test_prune_with_yes_deletes_what_it_said(
    volume_host: HostUnderTest, two_sets: tuple[str, str]
) -> None:
    answer = runner.invoke(app, ["prune", "--yes", "--json"])

    assert answer.exit_code == 0
    assert two_sets[1] in {each["what"] for each in json.loads(answer.stdout)["removed"]}
    assert volume_host.listed() == [two_sets[0]]


def test_a_held_set_is_not_pruned_until_it_is_released(
    volume_host: HostUnderTest, two_sets: tuple[str, str]
) -> None:
    runner.invoke(app, ["hold", two_sets[1], "--reason", "evidence"])
    runner.invoke(app, ["prune", "--yes"])
    while_held = volume_host.listed()

    runner.invoke(app, ["release", two_sets[1]])
    runner.invoke(app, ["prune", "--yes"])

    assert while_held == list(two_sets)
    assert volume_host.listed() == [two_sets[0]]


def test_a_hold_and_its_reason_are_listed(backup_id: str) -> None:
    runner.invoke(app, ["hold", backup_id, "--reason", "evidence [1]"])

    [row] = json.loads(runner.invoke(app, ["catalog", "list", "--json"]).stdout)

    assert (row["held"], row["hold_reason"]) == (True, "evidence [1]")


def test_the_table_for_people_says_shows_ids_that_other_commands_take(backup_id: str) -> None:
    answer = runner.invoke(app, ["catalog", "list"])

    assert answer.exit_code == 0
    assert f" {backup_id[:8]} " in answer.stdout
    assert runner.invoke(app, ["catalog", "show", backup_id[:8]]).exit_code == 0
