"""Settings from the environment: lists, mappings, files of secrets, and errors without values."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import PREFIX, Settings, load_settings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_nothing_needs_to_be_set() -> None:
    assert load_settings().pg_port == 5432
    assert load_settings().volume_paths == {}


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_PG_DATABASES", " onyx , litellm,,")
    monkeypatch.setenv("ONYX_VOLUME_EXCLUDES", "cache/**,*.tmp")
    monkeypatch.setenv("ONYX_QDRANT_COLLECTIONS", "")

    loaded = load_settings()

    assert loaded.pg_databases == ("onyx", "litellm")
    assert loaded.volume_excludes == ("cache/**", "*.tmp")
    assert loaded.qdrant_collections == ()


def test_volumes_are_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_VOLUMES", "files=/srv/files, models = /srv/a=b ,")

    assert load_settings().volume_paths == {"files": Path("/srv/files"), "models": Path("/srv/a=b")}


def test_a_comma_in_a_name_a_path_or_a_pattern_has_a_backslash_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONYX_VOLUMES", r"a\,b=/srv/x\,y,c=/srv/c")
    monkeypatch.setenv("ONYX_VOLUME_EXCLUDES", r"cache\,old/**,*.tmp")

    loaded = load_settings()

    assert loaded.volume_paths == {"a,b": Path("/srv/x,y"), "c": Path("/srv/c")}
    assert loaded.volume_excludes == ("cache,old/**", "*.tmp")


@pytest.mark.parametrize(
    ("value", "problem"),
    [("files", "name=/path"), ("=/srv", "name=/path"), ("a=/1,a=/2", "given twice")],
)
def test_volumes_that_are_no_pairs_are_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    monkeypatch.setenv("ONYX_VOLUMES", value)

    with pytest.raises(SettingsError, match=f"ONYX_VOLUMES: .*{problem}"):
        load_settings()


def test_a_value_can_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pass word \n")
    (tmp_path / "volumes").write_text("files=/srv/files\r\n")
    monkeypatch.setenv("ONYX_PG_PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("ONYX_VOLUMES_FILE", str(tmp_path / "volumes"))

    loaded = load_settings()

    assert loaded.pg_password.get_secret_value() == "pass word "
    assert loaded.volume_paths == {"files": Path("/srv/files")}


def test_a_value_in_the_environment_wins_over_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "user").write_text("from file")
    monkeypatch.setenv("ONYX_PG_USER_FILE", str(tmp_path / "user"))
    monkeypatch.setenv("ONYX_PG_USER", "from environment")

    assert load_settings().pg_user == "from environment"


def test_a_setting_that_is_itself_a_file_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONYX_PRIVATE_KEY_FILE", str(tmp_path / "key.json"))

    assert load_settings().private_key_file == tmp_path / "key.json"


def test_a_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONYX_PG_PASSWORD_FILE", str(tmp_path / "gone"))

    with pytest.raises(SettingsError, match=f"ONYX_PG_PASSWORD_FILE names {tmp_path}/gone"):
        load_settings()


def test_empty_means_unset_where_a_path_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_PRIVATE_KEY_FILE", "")
    monkeypatch.setenv("ONYX_PG_BINDIR", "")

    assert load_settings().private_key_file is None
    assert load_settings().pg_bindir is None


@pytest.mark.parametrize(
    "name", ["PG_PORT", "KEEP_DAILY", "STALL_TIMEOUT_S", "SIZE_DROP_ERROR_PERCENT", "PG_GLOBALS"]
)
def test_an_error_names_the_variable_and_never_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"ONYX_{name}", "hunter2-is-no-number")

    with pytest.raises(SettingsError, match=f"ONYX_{name}") as failure:
        load_settings()

    assert "hunter2" not in f"{failure.value!r} {failure.value} {failure.value.__cause__}"


def test_every_problem_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_PG_PORT", "0")
    monkeypatch.setenv("ONYX_KEEP_WEEKLY", "-1")

    with pytest.raises(SettingsError, match=r"ONYX_PG_PORT.*ONYX_KEEP_WEEKLY"):
        load_settings()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=st.text("abcdefghijklmnop0123456789", min_size=12, max_size=40))
def test_secrets_are_masked_wherever_settings_are_printed(secret: str) -> None:
    loaded = load_settings(
        {"pg_password": secret, "qdrant_api_key": secret, "s3_secret_access_key": secret}
    )

    printed = f"{loaded!r} {loaded} {loaded.model_dump()} {loaded.model_dump_json()}"

    assert secret not in printed
    assert loaded.qdrant_api_key.get_secret_value() == secret


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().pg_port = 1


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
