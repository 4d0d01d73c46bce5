"""An operation leaves a begin and an end, whatever becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.audit import AuditError, AuditRecord, Outcome, Phase, Trail, audited
from onyx_pipelines.core.errors import AlreadyRunningError, StoreError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines_tests.audit.trails import ALICE

SECRET = "correct-horse-battery"
BACKUP_ID = "0d4f7a52-6f0e-4b55-8a49-5f4b86d6a2c1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "backups").mkdir()
    (tmp_path / "offsite").mkdir()
    return load_settings(
        {
            "state_dir": tmp_path / "state",
            "backup_dir": tmp_path / "backups",
            "offsite_url": f"file://{tmp_path / 'offsite'}",
            "host_name": "vps",
            "pg_password": SECRET,
        }
    )


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logger = logging.getLogger("onyx")
    propagated, logger.propagate = logger.propagate, True
    yield caplog
    logger.propagate = propagated


def unwritable(settings: Settings) -> Settings:
    settings.state_dir.write_text("not a directory", encoding="utf-8")
    return settings


def records(settings: Settings) -> list[AuditRecord]:
    return list(Trail.of(settings).records())


def test_begin_and_end_belong_together(settings: Settings) -> None:
    with audited(
        settings, action="restore", origin=ALICE, parameters={"into": "onyx_restored"}
    ) as entry:
        under_way = records(settings)
        entry.about(BACKUP_ID)
        entry.result(verdict="passed", detail="all the same")

    begin, end = records(settings)
    assert under_way == [begin]
    assert (begin.phase, end.phase) == (Phase.BEGIN, Phase.END)
    assert begin.operation == end.operation
    assert begin.parameters == {"into": "onyx_restored"}
    assert begin.origin == end.origin == ALICE
    assert (begin.backup_id, end.backup_id) == (None, BACKUP_ID)
    assert begin.result is None
    assert end.result
    assert end.result.outcome is Outcome.OK
    assert (end.result.verdict, end.result.detail) == ("passed", "all the same")


@pytest.mark.parametrize(
    ("error", "outcome", "verdict", "detail"),
    [
        (StoreError("It broke.", remedy="Mend it."), Outcome.FAILED, "failed", "It broke."),
        (
            AlreadyRunningError("A backup already runs.", remedy="Wait."),
            Outcome.REFUSED,
            "already_running",
            "A backup already runs.",
        ),
        (ValueError(f"bad {SECRET}"), Outcome.FAILED, "failed", "a ValueError"),
        (KeyboardInterrupt(), Outcome.FAILED, "interrupted", "interrupted by hand"),
        (SystemExit(143), Outcome.FAILED, "interrupted", "interrupted by hand"),
        (SystemExit(3), Outcome.FAILED, "failed", "a SystemExit"),
    ],
)
def test_an_exception_is_the_result_and_passes_through(
    settings: Settings, error: BaseException, outcome: Outcome, verdict: str, detail: str
) -> None:
    def operate() -> None:
        with audited(settings, action="restore", origin=ALICE) as entry:
            entry.result(verdict="passed")
            raise error

    with pytest.raises(type(error)) as caught:
        operate()

    result = records(settings)[-1].result
    assert caught.value is error
    assert result
    assert (result.outcome, result.verdict, result.detail) == (outcome, verdict, detail)


def test_a_refusal_can_be_recorded(settings: Settings) -> None:
    with audited(settings, action="restore", origin=ALICE) as entry:
        entry.refused("confirm is missing")

    result = records(settings)[-1].result
    assert result
    assert (result.outcome, result.detail) == (Outcome.REFUSED, "confirm is missing")


def test_what_overwrites_is_refused_before_it_begins_if_it_cannot_be_recorded(
    settings: Settings,
) -> None:
    begun = []

    with (
        pytest.raises(AuditError, match=r"restore was refused.*cannot be written"),
        audited(unwritable(settings), action="restore", origin=ALICE, required=True),
    ):
        begun.append(True)

    assert begun == []


def test_anything_else_goes_on_with_an_error_in_the_log(
    settings: Settings, logged: pytest.LogCaptureFixture
) -> None:
    begun = []

    with audited(unwritable(settings), action="hold", origin=ALICE):
        begun.append(True)

    assert begun == [True]
    assert "hold is not recorded" in logged.text


def test_an_end_whose_begin_could_not_be_written_has_the_parameters(settings: Settings) -> None:
    blocker = unwritable(settings).state_dir

    with audited(settings, action="hold", origin=ALICE, parameters={"set": "latest"}):
        blocker.unlink()

    [end] = records(settings)
    assert (end.phase, end.parameters) == (Phase.END, {"set": "latest"})


def test_secrets_of_the_settings_are_in_no_file(settings: Settings, tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError),
        audited(
            settings,
            action="restore",
            origin=ALICE.model_copy(update={"actor": f"x{SECRET}", "address": SECRET}),
            parameters={"url": f"postgresql://a:{SECRET}@h/d", SECRET: [SECRET]},
            backup_id=SECRET,
        ),
    ):
        raise StoreError(f"Not with {SECRET}.", remedy="No.")

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5  # trail, head, lock, and a segment in either store
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_both_stores_hold_the_records_afterwards(settings: Settings, tmp_path: Path) -> None:
    with audited(settings, action="hold", origin=ALICE):
        pass

    trail = Trail.of(settings)
    [local] = (tmp_path / "backups" / "audit" / "vps").rglob("*.jsonl")
    [offsite] = (tmp_path / "offsite" / "audit" / "vps").rglob("*.jsonl")
    assert local.name == "0000000001-0000000002.jsonl"
    assert local.read_bytes() == offsite.read_bytes() == trail.path.read_bytes()


def test_a_store_that_is_gone_fails_no_operation_and_is_logged(
    settings: Settings, tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "offsite").rmdir()

    with audited(settings, action="hold", origin=ALICE):
        pass

    assert len(records(settings)) == 2
    assert "not copied (store offsite)" in logged.text
