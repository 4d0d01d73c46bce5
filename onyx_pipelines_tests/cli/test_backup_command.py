"""`onyx backup run` and `onyx doctor` as processes: exit codes, pure JSON, one clear error."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import AlreadyRunningError
from onyx_pipelines.vault.lock import ExclusiveLock, Holder, current_holder
from onyx_pipelines_tests.fixtures_sandbox import COMMAND, DEAD_PORT, HostUnderTest
from onyx_pipelines_tests.growing import growing_all_the_time
from onyx_pipelines_tests.waiting import wait_until

runner = CliRunner()


def holder_soon(host: HostUnderTest) -> Holder:
    def found() -> Holder | None:
        holder = current_holder(host.settings.state_dir)
        return holder if holder is not None and holder.pid else None

    wait_until(found, "somebody takes the lock")
    holder = found()
    assert holder is not None
    return holder


def test_a_good_backup_answers_zero_and_says_where_the_set_is(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("backup", "run")

    [backup_id] = volume_host.listed()
    assert answer.status == 0
    assert backup_id in answer.output
    assert "sets/" in answer.output


def test_json_is_all_there_is_on_standard_output(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("backup", "run", "--json")

    assert answer.json["backup_id"] == volume_host.listed()[0]
    assert answer.json["problems"] == []
    assert answer.json["offsite"] == "copied"


def test_logs_go_to_standard_error_as_json_lines(volume_host: HostUnderTest) -> None:
    answer = volume_host.onyx("backup", "run", "--json")

    records = [json.loads(line) for line in answer.errors.splitlines()]
    assert "set complete" in {record["message"] for record in records}


def test_warnings_leave_the_json_pure_and_answer_one(volume_host: HostUnderTest) -> None:
    volume_host.set(OFFSITE_URL=f"file://{volume_host.root / 'not-mounted'}")

    answer = volume_host.onyx("backup", "run", "--json")

    assert answer.status == 1
    assert answer.json["offsite"] == "failed"
    assert "not-mounted" in answer.json["problems"][0]


class TestWithWarnings:
    """A set that was completed, and what its sources found on the way: in the words of the API."""

    WARNING = "volume data: 1 changed while being read (named in its facts)"

    @pytest.fixture
    def answer(self, volume_host: HostUnderTest) -> Result:
        growing = volume_host.volume / "growing.log"
        growing.write_bytes(b"x" * 20_000_000)
        with growing_all_the_time(growing):
            return runner.invoke(app, ["backup", "run", "--json"])

    def test_it_is_completed_lists_them_and_answers_zero(self, answer: Result) -> None:
        made = json.loads(answer.stdout)

        assert (made["status"], made["warnings"]) == ("completed", [self.WARNING])
        assert (made["problems"], answer.exit_code) == ([], 0)

    def test_every_command_says_the_same(self, answer: Result) -> None:
        backup_id = json.loads(answer.stdout)["backup_id"]

        (row,) = json.loads(runner.invoke(app, ["catalog", "list", "--json"]).stdout)
        shown = json.loads(runner.invoke(app, ["catalog", "show", backup_id, "--json"]).stdout)

        for each in (row, shown):
            assert (each["status"], each["warnings"]) == ("completed", [self.WARNING])
        assert shown["components"]["docker_volumes"]["status"] == "completed"

    def test_people_read_it_too(self, answer: Result) -> None:
        backup_id = json.loads(answer.stdout)["backup_id"]

        table = runner.invoke(app, ["catalog", "list"]).stdout
        shown = runner.invoke(app, ["catalog", "show", backup_id]).stdout

        assert "1 warning" in table
        assert "completed" in shown
        assert self.WARNING in shown.replace("\n", " ")
        assert "completed_with" not in table + shown


def test_one_component_alone_can_be_asked_for(backup_host: HostUnderTest) -> None:
    answer = backup_host.onyx("backup", "run", "--component", "postgresql", "--json")

    manifest = backup_host.manifest(answer.json["backup_id"])
    assert answer.status == 0
    assert list(manifest.components) == ["postgresql"]
    assert set(manifest.missing_components) == {"qdrant", "volumes"}


def test_a_failure_answers_two_with_one_message_and_its_remedy(volume_host: HostUnderTest) -> None:
    volume_host.set(VOLUMES="docs=/nowhere/docs")

    answer = volume_host.onyx("backup", "run", "--json")

    assert (answer.status, answer.json["error"]["code"]) == (2, "source")
    assert answer.errors.count("error:") == 1
    assert "/nowhere/docs" in answer.errors
    assert "Traceback" not in answer.errors


def test_a_configuration_that_is_not_valid_names_the_variable_and_not_its_value(
    volume_host: HostUnderTest,
) -> None:
    volume_host.set(PG_PORT="pass-word-by-mistake")

    answer = volume_host.onyx("backup", "run")

    assert answer.status == 2
    assert "ONYX_PG_PORT" in answer.errors
    assert "pass-word-by-mistake" not in answer.everything


def test_of_two_backups_at_once_the_second_is_refused_and_names_the_first(
    backup_host: HostUnderTest,
) -> None:
    with subprocess.Popen(
        [*COMMAND, "backup", "run"],
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        holder = holder_soon(backup_host)
        with pytest.raises(AlreadyRunningError, match=f"process {first.pid}, set") as caught:
            backup_host.run()
        first_status = first.wait(timeout=60)

    assert caught.value.exit_code == 2
    assert first_status == 0
    assert backup_host.listed() == [holder.backup_id]


def test_a_backup_beside_a_load_test_is_refused_by_that_name(volume_host: HostUnderTest) -> None:
    with ExclusiveLock(volume_host.settings.state_dir, "load test"):
        answer = volume_host.onyx("backup", "run")

    assert answer.status == 2
    assert "load test" in answer.errors


def test_no_output_and_no_stored_manifest_holds_a_secret(backup_host: HostUnderTest) -> None:
    answer = backup_host.onyx("backup", "run")
    stored = [path.read_text(encoding="utf-8") for path in backup_host.backups.rglob("*.json")]

    said = "\n".join([answer.everything, *stored])
    assert stored
    assert [secret for secret in backup_host.secrets() if secret in said] == []


def test_no_process_of_a_backup_has_a_secret_in_its_command_line(
    backup_host: HostUnderTest,
) -> None:
    seen = SeenCommands()
    with subprocess.Popen(
        [*COMMAND, "backup", "run"],
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            seen.look(process.pid)
            time.sleep(0.005)

    assert any(b"pg_dump" in line for line in seen.lines)
    assert [
        line for line in seen.lines for secret in backup_host.secrets() if secret.encode() in line
    ] == []


class SeenCommands:
    """Of a process, of what it starts, and of what those start: other tests run meanwhile."""

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self._family: set[int] = set()

    def look(self, root: int) -> None:
        self._family.add(root)
        for pid in sorted(
            int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()
        ):
            with suppress(OSError):  # it has ended since
                place = Path("/proc", str(pid))
                stat = (place / "stat").read_text(encoding="ascii", errors="replace")
                if pid in self._family or int(stat.rpartition(")")[2].split()[1]) in self._family:
                    self._family.add(pid)
                    self.lines.add((place / "cmdline").read_bytes())


class TestDoctor:
    def test_it_answers_zero_where_all_is_well(self, backup_host: HostUnderTest) -> None:
        answer = backup_host.onyx("doctor", "--json")

        assert answer.status == 0, answer.everything
        assert {check["name"] for check in answer.json} >= {
            "state directory",
            "recipients",
            "private key",
            "source postgresql",
            "source qdrant",
            "source volumes",
            "store local",
            "store offsite",
            "free space",
            "clock",
        }

    def test_it_names_each_thing_that_is_wrong_and_its_remedy(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(PG_HOST="127.0.0.1", PG_PORT=DEAD_PORT, OFFSITE_URL=None)
        volume_host.private_key.chmod(0o644)

        answer = volume_host.onyx("doctor", "--json")

        wrong = {check["name"]: check for check in answer.json if not check["ok"]}
        assert answer.status == 1
        assert wrong.keys() >= {"private key", "source postgresql", "second store"}
        assert all(check["detail"] and check["remedy"] for check in wrong.values())

    def test_a_second_store_that_is_down_is_one_finding(self, volume_host: HostUnderTest) -> None:
        volume_host.offsite_dir.rmdir()

        answer = volume_host.onyx("doctor", "--json")

        assert [check["name"] for check in answer.json if not check["ok"]] == ["store offsite"]

    def test_it_leaves_nothing_in_the_stores(self, volume_host: HostUnderTest) -> None:
        volume_host.onyx("doctor")

        assert [path for path in volume_host.backups.rglob("*") if path.is_file()] == []
