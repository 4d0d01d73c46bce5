"""`onyx doctor` on secrets: who can read them, and who could guess them."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.backup.secret_hygiene import exposed_files, weak_passwords, weakness
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

GOOD = "vT9mQ2x7LwP4sJ8d"


@pytest.mark.parametrize(
    ("value", "user", "said"),
    [
        ("admin", "", "everybody knows"),
        ("Postgres", "", "everybody knows"),
        ("your-super-secret-and-long-postgres-password", "", "everybody knows"),
        ("backup_role", "backup_role", "its user's name"),
        ("x7Q", "", "fewer than 8"),
        (GOOD, "postgres", ""),
    ],
)
def test_a_password_that_is_known_or_short_is_named(value: str, user: str, said: str) -> None:
    assert said in weakness(value, user)
    assert bool(weakness(value, user)) is bool(said)


def test_the_variable_is_named_and_not_the_value(volume_host: HostUnderTest) -> None:
    volume_host.set(PG_PASSWORD="hunter2", QDRANT_API_KEY=GOOD, METRICS_PASSWORD="admin")

    found = weak_passwords(volume_host.settings)

    assert sorted(each.split(" ")[0] for each in found) == [
        "ONYX_METRICS_PASSWORD",
        "ONYX_PG_PASSWORD",
    ]
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("mode", "exposed"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)]
)
def test_a_secret_that_others_can_read_is_named(
    volume_host: HostUnderTest, tmp_path: Path, mode: int, exposed: bool
) -> None:
    secret = tmp_path / "pg.secret"
    secret.write_text(GOOD)
    secret.chmod(mode)
    environment = {"ONYX_PG_PASSWORD_FILE": str(secret), "ONYX_PG_HOST_FILE": "/etc/hostname"}

    found = exposed_files(volume_host.settings, environment)

    assert bool(found) is exposed
    assert all(str(secret) in each for each in found)


def test_a_file_of_environment_variables_in_this_directory_counts(
    volume_host: HostUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"ONYX_PG_PASSWORD={GOOD}")
    Path(".env").chmod(0o644)

    assert "-rw-r--r--" in exposed_files(volume_host.settings, {})[0]


def test_doctor_says_both_and_what_to_do(volume_host: HostUnderTest, tmp_path: Path) -> None:
    secret = tmp_path / "slack.secret"
    secret.write_text("https://hooks.example/x")
    secret.chmod(0o644)
    volume_host.set(METRICS_PASSWORD="admin")
    volume_host.patch.setenv("ONYX_SLACK_WEBHOOK_URL_FILE", str(secret))

    answer = volume_host.onyx("doctor", "--json")

    found = {each["name"]: each for each in answer.json}
    assert answer.status == 1
    assert str(secret) in found["secret files"]["detail"]
    assert "chmod 600" in found["secret files"]["remedy"]
    assert "ONYX_METRICS_PASSWORD" in found["passwords"]["detail"]
    assert '"admin"' not in answer.everything


def test_a_host_whose_secrets_are_well_kept_is_fine(backup_host: HostUnderTest) -> None:
    found = {each["name"]: each for each in backup_host.onyx("doctor", "--json").json}

    assert found["secret files"]["ok"]
    assert found["passwords"]["ok"]


def test_a_file_that_the_configuration_file_names_counts(
    volume_host: HostUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "pg"
    secret.touch(mode=0o644)
    (tmp_path / "onyx.yaml").write_text(f"pg_password_file: {secret}")
    monkeypatch.setenv("ONYX_CONFIG", str(tmp_path / "onyx.yaml"))

    assert any(str(secret) in each for each in exposed_files(volume_host.settings, {}))
