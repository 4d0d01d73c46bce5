"""A restore where a Docker engine runs: whoever uses the volume is stopped, and sees the new data;
a volume that is gone comes back as what it was."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_docker import Troubled
from onyx_pipelines_tests.mounting import Kind, mounted
from onyx_pipelines_tests.restore.volumes.engine_stacks import (
    Stack,
    bind_options,
    bound,
    change,
    device,
    stack,
)
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    bytes_of,
    failed,
    plan,
    restored,
)

__all__ = ["bound", "device", "stack"]

IN_PLACE = RestoreChoice()
WATCHES = ("sh", "-c", "while :; do cat /d/file > /seen; sleep 0.1; done")


def test_who_has_it_mounted_is_stopped_without_any_label_and_sees_the_restored_data(
    stack: Stack,
) -> None:
    objects = stack.backed_up()
    change(stack.directory)
    stack.use("reader")

    result = restored(objects, IN_PLACE, stack.settings)

    assert result.verdict is Verdict.PASSED
    assert stack.docker.status("reader") == "running"
    assert stack.docker.output("reader", "cat", "/d/file") == "as it was"


def test_a_plan_names_them(stack: Stack) -> None:
    objects = stack.backed_up()
    stack.use("reader")
    stack.docker.create("part", mounts={str(stack.directory): "/d"})
    stack.docker.create("writer", mounts={str(stack.directory.parent): "/d"})
    stack.docker.create("looker", mounts={str(stack.directory.parent): "/d:ro"})
    stack.docker.create("stranger")

    (change,) = plan(objects, IN_PLACE, stack.settings)

    users = ", ".join(f"{stack.docker.prefix}{name}" for name in ("part", "reader", "writer"))
    assert f"changes places, and started again: {users}." in change.detail


def test_who_may_write_from_above_is_left_alone_where_no_volume_is_replaced(
    stack: Stack, tmp_path: Path
) -> None:
    objects = stack.backed_up()
    stack.docker.create("writer", mounts={str(tmp_path): "/d"})
    request = RestoreChoice(volumes=("v",), into=str(tmp_path / "elsewhere"))
    before = stack.docker.inspect("writer")["State"]["StartedAt"]

    restored(objects, request, stack.settings)

    assert stack.docker.inspect("writer")["State"]["StartedAt"] == before


def test_a_paused_one_is_paused_again_on_the_restored_data(stack: Stack) -> None:
    objects = stack.backed_up()
    change(stack.directory)
    stack.use("frozen", command=WATCHES)
    stack.docker.pause("frozen")

    restored(objects, IN_PLACE, stack.settings)

    assert stack.docker.status("frozen") == "paused"
    stack.docker.unpause("frozen")
    assert stack.docker.output("frozen", "cat", "/d/file") == "as it was"


def test_one_that_somebody_starts_meanwhile_is_restarted(stack: Stack, troubled: Troubled) -> None:
    objects = stack.backed_up()
    change(stack.directory)
    stack.use("reader")
    stack.use("late", is_running=False)
    troubled.trouble.before_stop.append(lambda: stack.docker.start("late"))
    settings = stack.settings.model_copy(update={"docker_host": troubled.host})

    restored(objects, IN_PLACE, settings)

    assert troubled.trouble.calls == ["stop reader", "stop late", "start late", "start reader"]
    assert stack.docker.output("late", "cat", "/d/file") == "as it was"


def test_who_depends_on_another_or_joins_its_network_stops_first_and_starts_last(
    stack: Stack, troubled: Troubled
) -> None:
    objects = stack.backed_up()
    db, api = compose_labels("db"), compose_labels("api", "db:service_started:false")
    stack.use("z-db", labels=db)
    stack.use("a-api", labels=api)
    stack.docker.create("b-sidecar", NetworkMode=f"container:{stack.docker.prefix}a-api")

    restored(objects, IN_PLACE, stack.settings.model_copy(update={"docker_host": troubled.host}))

    assert troubled.trouble.calls == [
        "stop b-sidecar", "stop a-api", "stop z-db", "start z-db", "start a-api", "start b-sidecar",
    ]  # fmt: skip


def compose_labels(service: str, depends_on: str = "") -> dict[str, str]:
    return {
        "com.docker.compose.project": "onyx",
        "com.docker.compose.service": service,
        "com.docker.compose.depends_on": depends_on,
    }


def test_one_that_keeps_restarting_does_not_run_while_the_data_changes_places(
    stack: Stack, troubled: Troubled
) -> None:
    objects = stack.backed_up()
    change(stack.directory)
    stack.use("loop", command=("sh", "-c", "exit 3"), RestartPolicy={"Name": "always"})
    seen: list[str] = []
    troubled.trouble.before_start.append(lambda: seen.append(stack.docker.status("loop")))

    restored(objects, IN_PLACE, stack.settings.model_copy(update={"docker_host": troubled.host}))

    assert seen == ["exited"]
    assert stack.docker.status("loop") in ("restarting", "running")


def test_one_that_is_made_anew_meanwhile_comes_up_on_the_restored_data(
    stack: Stack, troubled: Troubled
) -> None:
    objects = stack.backed_up()
    change(stack.directory)
    stack.use("reader")
    stack.use("watcher")

    def make_anew() -> None:
        stack.docker.remove("watcher")
        stack.use("watcher")

    troubled.trouble.before_stop.append(make_anew)

    restored(objects, IN_PLACE, stack.settings.model_copy(update={"docker_host": troubled.host}))

    assert [stack.docker.status(name) for name in ("reader", "watcher")] == ["running"] * 2
    assert stack.docker.output("watcher", "cat", "/d/file") == "as it was"


def test_what_is_mounted_in_it_while_its_containers_stop_is_neither_moved_nor_deleted(
    stack: Stack, troubled: Troubled, tmp_path: Path
) -> None:
    (stack.directory / "point").mkdir()
    objects = stack.backed_up()
    change(stack.directory)
    stack.use("reader")

    with ExitStack() as mounts:

        def mount() -> None:
            point = stack.directory / "point"
            mounts.enter_context(mounted(Kind.TMPFS, point, tmp_path / "other"))
            (point / "precious").write_bytes(b"precious")

        troubled.trouble.before_stop.append(mount)
        settings = stack.settings.model_copy(update={"docker_host": troubled.host})

        result = restored(objects, IN_PLACE, settings)

        assert "point, which is mounted" in result.findings[-1].message
        assert bytes_of(stack.directory) == {"file": b"newer", "point/precious": b"precious"}
        assert stack.docker.status("reader") == "running"


@pytest.mark.parametrize(
    ("made", "reason"), [({"AutoRemove": True}, "--rm"), ({"stop_timeout_s": -1}, "never killed")]
)
def test_one_that_cannot_be_stopped_is_refused_before_anything_is_touched(
    stack: Stack, made: dict[str, Any], reason: str
) -> None:
    objects = stack.backed_up()
    change(stack.directory)
    stack.use("once", **made)
    siblings = sorted(stack.directory.parent.iterdir())

    with pytest.raises(SourceError, match=f"once cannot be stopped.*{reason}"):
        plan(objects, IN_PLACE, stack.settings)
    with pytest.raises(SourceError, match=f"once cannot be stopped.*{reason}"):
        restored(objects, IN_PLACE, stack.settings)

    assert bytes_of(stack.directory) == {"file": b"newer"}
    assert sorted(stack.directory.parent.iterdir()) == siblings
    assert stack.docker.status("once") == "running"


def test_an_engine_that_does_not_answer_stops_the_restore_before_anything_is_touched(
    stack: Stack, tmp_path: Path
) -> None:
    objects = stack.backed_up()
    change(stack.directory)
    (tmp_path / "docker.sock").touch()
    settings = stack.settings.model_copy(update={"docker_host": f"unix://{tmp_path}/docker.sock"})

    with pytest.raises(SourceError, match="does not answer"):
        restored(objects, IN_PLACE, settings)

    assert bytes_of(stack.directory) == {"file": b"newer"}


class TestAVolumeThatIsGone:
    @pytest.fixture
    def lost(self, stack: Stack) -> SetObjects:
        """What is left of it."""
        os.chown(stack.directory, 1000, 1001)
        stack.directory.chmod(0o770)
        objects = stack.backed_up()
        stack.docker.remove_volume("v")
        return objects

    def test_it_is_made_with_its_labels_and_its_root_has_its_owner_and_mode(
        self, stack: Stack, lost: SetObjects
    ) -> None:
        restored(lost, IN_PLACE, stack.settings)

        made = stack.docker.volume("v")
        assert made is not None
        assert made["Labels"] == {"project": "onyx"}
        stack.use("reader")
        assert stack.docker.output("reader", "stat", "-c", "%u:%g %a", "/d") == "1000:1001 770"
        assert stack.docker.output("reader", "cat", "/d/file") == "as it was"

    def test_a_plan_says_so_and_makes_none(self, stack: Stack, lost: SetObjects) -> None:
        (change,) = plan(lost, IN_PLACE, stack.settings)

        assert f"The Docker volume {stack.volume} is made first" in change.detail
        assert stack.docker.volume("v") is None

    def test_one_with_options_is_made_with_them(self, bound: Stack, device: Path) -> None:
        objects = bound.backed_up()
        bound.docker.remove_volume("v")
        shutil.rmtree(device)

        restored(objects, IN_PLACE, bound.settings)

        made = bound.docker.volume("v")
        assert made is not None
        assert made["Options"] == bind_options(device)
        assert bytes_of(device) == {"file": b"as it was"}

    def test_it_stays_when_a_container_does_not_start_again(
        self, stack: Stack, lost: SetObjects, troubled: Troubled
    ) -> None:
        label = stack.docker.label
        stack.docker.create("app", labels={label: "v"})
        troubled.trouble.refuse_start.add("app")
        settings = stack.settings.model_copy(
            update={"docker_host": troubled.host, "stop_containers_label": label}
        )

        with pytest.raises(SourceError, match=r"data is in place: .*app"):
            restored(lost, IN_PLACE, settings)

        assert bytes_of(stack.directory) == {"file": b"as it was"}

    def test_data_that_does_not_pass_leaves_no_volume(self, stack: Stack) -> None:
        damaged = stack.backed_up_damaged()
        stack.docker.remove_volume("v")

        result = restored(damaged, IN_PLACE, stack.settings)

        assert failed(result)
        assert stack.docker.volume("v") is None
        assert not stack.directory.parent.exists()

    def test_data_that_does_not_pass_leaves_a_directory_that_only_the_engine_lost(
        self, stack: Stack
    ) -> None:
        damaged = stack.backed_up_damaged()
        stack.docker.remove_volume("v")
        stack.directory.mkdir(parents=True)
        (stack.directory / "file").write_bytes(b"copied by hand")
        os.chown(stack.directory, 7, 7)
        stack.directory.chmod(0o750)

        restored(damaged, IN_PLACE, stack.settings)

        status = stack.directory.stat()
        assert bytes_of(stack.directory) == {"file": b"copied by hand"}
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (7, 7, 0o750)
