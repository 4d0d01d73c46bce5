"""One optional file for all settings: what it says, what wins over it, what it is refused for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import NAMES, PREFIX, Settings, load_settings
from onyx_pipelines.core.settings.sample import sample_yaml, schema_json


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "onyx.yaml"
    path.touch(mode=0o600)
    monkeypatch.setenv("ONYX_CONFIG", str(path))
    return path


def test_lists_are_lists(file: Path) -> None:
    file.write_text("pg_databases: [onyx, 'a,b']\nsmtp_to:\n- one@example.org\n- two@example.org\n")

    assert load_settings().pg_databases == ("onyx", "a,b")
    assert load_settings().smtp_to == ("one@example.org", "two@example.org")


def test_a_volume_may_leave_out_what_others_keep(file: Path) -> None:
    file.write_text(
        "volume_excludes: ['*.tmp']\n"
        "volumes:\n"
        "  documents: /srv/documents\n"
        "  uploads: {path: /srv/uploads, exclude: ['cache/**']}\n"
    )

    loaded = load_settings()

    assert loaded.volume_paths == {
        "documents": Path("/srv/documents"),
        "uploads": Path("/srv/uploads"),
    }
    assert loaded.excludes_of("documents") == ("*.tmp",)
    assert loaded.excludes_of("uploads") == ("*.tmp", "cache/**")


def test_what_is_watched_and_other_messengers_may_be_lists(file: Path) -> None:
    file.write_text(
        "load_test_services: {api: ['pid:1', 'metrics:http://127.0.0.1/m'], db: 'pid:2'}\n"
        "notify_urls: ['ntfy://a', 'ntfy://b']\n"
    )

    loaded = load_settings()

    assert loaded.load_test_services == {"api": "pid:1 metrics:http://127.0.0.1/m", "db": "pid:2"}
    assert loaded.notify_urls.get_secret_value().split() == ["ntfy://a", "ntfy://b"]


def test_the_environment_wins(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("named by a variable")
    file.write_text("pg_host: file\npg_user: file\npg_port: 7\nvolumes: {a: /a}\n")
    monkeypatch.setenv("ONYX_PG_HOST", "environment")
    monkeypatch.setenv("ONYX_PG_USER_FILE", str(tmp_path / "user"))
    monkeypatch.setenv("ONYX_VOLUMES", "b=/b")

    loaded = load_settings()

    assert (loaded.pg_host, loaded.pg_user, loaded.pg_port) == (
        "environment",
        "named by a variable",
        7,
    )
    assert loaded.volume_paths == {"b": Path("/b")}


def test_a_key_without_a_value_is_as_good_as_none(file: Path) -> None:
    file.write_text("pg_host:\npg_port:\nvolumes:\n")

    assert load_settings() == Settings()


def test_every_mistake_is_named_at_once_with_file_key_and_nearest_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("pg_hosts: db\npg_port: many\nvolumes: {a: {paths: /x}}\n")
    monkeypatch.setenv("ONYX_KEEP_DAILY", "-1")

    with pytest.raises(SettingsError) as failure:
        load_settings()

    said = failure.value.what
    assert f"pg_hosts in {file} is no setting; did you mean pg_host?" in said
    assert f"pg_port in {file}: " in said
    assert f"volumes in {file} (a.paths): " in said
    assert "ONYX_KEEP_DAILY: " in said
    assert "many" not in said


def test_a_secret_may_lie_in_a_file_that_the_file_names(file: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from its own file\n")
    file.chmod(0o644)
    file.write_text(f"pg_password_file: {tmp_path}/secret\n")

    assert load_settings().pg_password.get_secret_value() == "from its own file"


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_in_a_file_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    file.write_text("pg_password: correct horse\n")
    file.chmod(mode)

    with pytest.raises(SettingsError, match=rf"pg_password in {file}: .*chmod 600") as failure:
        load_settings()

    assert "horse" not in str(failure.value)


def test_hooks_in_a_file_that_others_can_write_are_refused(file: Path) -> None:
    file.write_text("hooks: [{component: qdrant, before: [['true']]}]\n")
    assert load_settings().hooks[0].before == (("true",),)
    file.chmod(0o620)

    with pytest.raises(SettingsError, match="would run commands as this user"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pg_password: 'correct horse\n", "is not YAML: .*line"),
        ("- correct horse\n", "holds no settings"),
        ("pg_user: a\npg_user: correct horse\n", "one key stands twice .*line 2"),
        ("pg_password: [correct horse, 1]\n", "pg_password in "),
        ("pg_password: a correct horse\npg_password_file: /x\n", "given twice"),
        ("pg_password_file: /nowhere\n", "names /nowhere, which cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_as_one_is_refused_without_its_content(
    file: Path, text: str, problem: str
) -> None:
    file.write_text(text)

    with pytest.raises(SettingsError, match=problem) as failure:
        load_settings()

    assert "horse" not in f"{failure.value!r} {failure.value} {failure.value.__cause__}"


def test_a_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONYX_CONFIG", str(tmp_path / "gone.yaml"))

    with pytest.raises(SettingsError, match=r"ONYX_CONFIG names .*gone\.yaml"):
        load_settings()


def test_the_sample_sets_nothing_and_neither_do_its_defaults(file: Path) -> None:
    file.write_text(sample_yaml())
    assert load_settings() == Settings()

    lines = [line.removeprefix("#") for line in sample_yaml().splitlines() if line[:2] != "# "]
    file.write_text("\n".join(lines))

    assert load_settings() == Settings()
    assert len(yaml.safe_load(file.read_text())) == len(NAMES)


def test_every_example_can_be_used_as_it_stands(file: Path) -> None:
    for name, field in Settings.model_fields.items():
        for example in field.examples or ():
            file.write_text(json.dumps({name: example}))
            assert getattr(load_settings(), name), name


def test_the_schema_knows_every_key_and_no_other() -> None:
    schema = json.loads(schema_json())

    assert {name for name in schema["properties"] if not name.endswith("_file")} <= set(NAMES)
    assert set(NAMES) <= set(schema["properties"])
    assert "pg_password_file" in schema["properties"]
    assert "private_key_file_file" not in schema["properties"]
    assert schema["additionalProperties"] is False


_TEXT = st.text("abc01 ./:@*-_", min_size=1, max_size=12).map(str.strip).filter(bool)
_WORDS = st.lists(st.text("ab1./*,", min_size=1, max_size=8), max_size=3)
_PAIRS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.text("ab/:1", min_size=1, max_size=8).map("/{}".format),
    max_size=3,
)
_BY_KIND: Mapping[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(1, 3650),
    float: st.integers(1, 99) | st.floats(0.5, 99, allow_nan=False),
    dict: _PAIRS,
    tuple: _WORDS,
}


_CHOICES: Mapping[str, list[Any]] = {
    "smtp_security": ["tls", "none"],
    "chat_objective_measure": ["first_token"],
    "error_tracker": ["bugsink", "sentry"],
    "load_test_every": ["month", "quarter"],
    "bugsink_webhook_secret": ["c0ffee-c0ffee-c0ffee-c0ffee"],
    "sentry_environment": ["production", "a-b_1"],
    "incident_escalate_after_minutes": [[10, 30], [0.5], []],
    "sentry_release": ["onyx@1.4.2", ""],
    "error_spool_limit_bytes": [1 << 20, 1 << 30],
}


def _kind(name: str) -> type:
    kind = Settings.model_fields[name].annotation
    return get_origin(kind) or kind


def _strategy(name: str) -> st.SearchStrategy[Any]:
    if name.endswith("notify_on"):
        return st.lists(st.sampled_from(["failed", "warned", "load_test:missed"]), max_size=3)
    if name in _CHOICES:
        return st.sampled_from(_CHOICES[name])
    if name == "hooks":
        command = st.lists(_TEXT, min_size=1, max_size=3)
        hook = {"component": st.sampled_from(["qdrant", "volumes"]), "before": st.lists(command)}
        return st.lists(st.fixed_dictionaries(hook), max_size=2)
    if name == "stack":
        # Four letters: none of the names that stand for something else.
        return st.from_regex(r"([a-z0-9][a-z0-9-]{3})?", fullmatch=True).filter("sets".__ne__)
    if name == "stores":
        names = st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True), unique=True)
        return names.map(lambda found: [{"name": each, "url": f"/{each}"} for each in found])
    if name == "alert_thresholds":
        return st.fixed_dictionaries({}, optional={"error_share": st.floats(0.01, 1)})
    if name == "alert_receivers":
        return st.fixed_dictionaries({}, optional={"mail_to": _TEXT, "slack_channel": _TEXT})
    return _BY_KIND.get(_kind(name), _TEXT)


def _in_the_environment(name: str, value: object) -> str:
    if name in ("hooks", "stores") or name.startswith("alert_"):
        return json.dumps(value)
    if isinstance(value, list):
        return ",".join(str(item).replace(",", "\\,") for item in value)
    if isinstance(value, dict):
        return ",".join(f"{key}={text}" for key, text in value.items())
    return str(value)


@settings(
    deadline=None,
    max_examples=20,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink 90 values takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(values=st.fixed_dictionaries({}, optional={name: _strategy(name) for name in NAMES}))
def test_the_file_says_the_same_as_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    if values.get("stores"):
        values.pop("offsite_url", None)
    file.write_text(yaml.safe_dump(values))
    from_file = load_settings()
    with monkeypatch.context() as environment:
        environment.delenv("ONYX_CONFIG")
        for name, value in values.items():
            environment.setenv(f"ONYX_{name.upper()}", _in_the_environment(name, value))
        from_environment = load_settings()

    assert from_file == from_environment
    assert all(
        isinstance(getattr(from_file, name), SecretStr) or name in from_file.model_fields_set
        for name in values
    )
