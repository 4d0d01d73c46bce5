"""A run that a person ends is over within 30 seconds, in every job: canceled, nothing half listed,
no child left, containers started, lock free. With a real code server and real processes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.api.dagster_client import DagsterClient
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.vault.lock import current_holder
from onyx_pipelines.vault.unfinished_restore import refuse_while_restoring
from onyx_pipelines_tests.dagster_server import dagster_web_server
from onyx_pipelines_tests.dagster_workers import Workers, dagster_workers
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.fixtures_sandbox import DEAD_PORT, VOLUME, HostUnderTest, make_host
from onyx_pipelines_tests.load_test.small_target import small_target
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
LOCATION = "onyx_pipelines.definitions"
WITHIN_S = 30.0
# Of zeros that take no room: minutes of reading and compressing.
HUGE_BYTES = 200 * 1024**3
MANY_FILES = 15_000
USUAL = {
    "VOLUMES": "",
    "OFFSITE_URL": "",
    "S3_ENDPOINT_URL": "",
    "DOCKER_HOST": "",
    "STOP_CONTAINERS_LABEL": "",
    "PG_HOST": "",
    "PG_PORT": 5432,
    "LOAD_TEST_URL": "",
}


def make_huge(volume: Path) -> None:
    for number in range(200):
        with (volume / f"huge-{number}.bin").open("wb") as file:
            file.write(b"x")
            file.truncate(HUGE_BYTES // 200)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostUnderTest]:
    """Of the code server, which reads what differs between the tests from files, at each use."""
    root = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        host = make_host(root, patch)
        host.offsite_dir.mkdir(mode=0o700)
        host.set(S3_ACCESS_KEY_ID="AKIA-TEST", S3_SECRET_ACCESS_KEY="not-asked-for")
        for name in USUAL:
            patch.delenv(f"ONYX_{name}", raising=False)
            patch.setenv(f"ONYX_{name}_FILE", str(root / name))
        yield host


@pytest.fixture(scope="module")
def workers(host: HostUnderTest) -> Iterator[Workers]:
    configure(host)
    with dagster_workers(LOCATION) as workers:
        yield workers


@pytest.fixture(autouse=True)
def volume(host: HostUnderTest, tmp_path: Path) -> Path:
    """Empty, backed up into two directories."""
    volume = tmp_path / "volume"
    volume.mkdir()
    configure(host, VOLUMES=f"{VOLUME}={volume}", OFFSITE_URL=f"file://{host.offsite_dir}")
    return volume


def configure(host: HostUnderTest, **settings: object) -> None:
    for name, usual in USUAL.items():
        (host.root / name).write_text(str(settings.get(name, usual)), encoding="utf-8")


def ended_by_a_person(workers: Workers, run_id: str) -> dg.DagsterRun:
    assert workers.terminate(run_id)
    return workers.ended(run_id, within_s=WITHIN_S)


def into(workers: Workers, run_id: str, step: str) -> None:
    wait_until(lambda: workers.is_in(run_id, step), f"{step} begins")


@contextmanager
def hanging_server() -> Iterator[int]:
    """Takes connections and never answers; gives its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield int(server.getsockname()[1])


def descendants(pid: int) -> list[int]:
    found = [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text(encoding="ascii").split()
    ]
    return found + [each for child in found for each in descendants(child)]


def assert_over(host: HostUnderTest, run: dg.DagsterRun) -> None:
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert current_holder(host.settings.state_dir) is None


def test_while_a_volume_is_read_and_its_container_is_stopped(
    host: HostUnderTest, workers: Workers, volume: Path, docker: DockerWorld
) -> None:
    make_huge(volume)
    docker.create("app", labels={docker.label: VOLUME})
    configure(
        host,
        VOLUMES=f"{VOLUME}={volume}",
        DOCKER_HOST=docker.host,
        STOP_CONTAINERS_LABEL=docker.label,
    )
    run_id = workers.launch("nightly_backup")
    wait_until(lambda: docker.status("app") == "exited", "the container is stopped")
    run = ended_by_a_person(workers, run_id)

    assert docker.status("app") == "running"
    assert_over(host, run)
    assert workers.retries(run_id) == 0
    assert run_id not in host.listed()


def hang_in(workers: Workers, host: HostUnderTest, volume: Path, job: str, step: str) -> str:
    """Ends a run of the job that asks a second store which never answers; the run's id."""
    with hanging_server() as port:
        configure(
            host,
            VOLUMES=f"{VOLUME}={volume}",
            OFFSITE_URL="s3://bucket/prefix",
            S3_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        )
        run_id = workers.launch(job)
        into(workers, run_id, step)
        run = ended_by_a_person(workers, run_id)

    configure(host)
    assert_over(host, run)
    assert workers.retries(run_id) == 0
    return run_id


@pytest.mark.thorough
def test_while_the_second_store_hangs(host: HostUnderTest, workers: Workers, volume: Path) -> None:
    run_id = hang_in(workers, host, volume, "nightly_backup", "offsite_copy")

    assert host.intact(run_id)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("job", "step"),
    [
        ("verify_backups", "verify_sets"),
        ("prune_backups", "backup_retention"),
        ("offsite_catch_up", "offsite_copy"),
    ],
)
def test_while_the_second_store_hangs_what_was_there_stays(
    host: HostUnderTest, workers: Workers, volume: Path, job: str, step: str
) -> None:
    kept = host.run().backup_id

    hang_in(workers, host, volume, job, step)

    assert host.intact(kept)


@pytest.mark.thorough
def test_while_it_waits_for_the_next_try(
    host: HostUnderTest, workers: Workers, volume: Path
) -> None:
    configure(host, VOLUMES=f"{VOLUME}={volume}", PG_HOST="127.0.0.1", PG_PORT=DEAD_PORT)
    run_id = workers.launch("nightly_backup")
    wait_until(lambda: workers.retries(run_id) == 1, "the first try fails")
    run = ended_by_a_person(workers, run_id)

    assert_over(host, run)
    assert run_id not in host.listed()


@pytest.mark.thorough
class TestAWholeSet:
    @pytest.fixture(autouse=True)
    def backup_id(self, host: HostUnderTest, volume: Path) -> str:
        for number in range(MANY_FILES):
            (volume / f"{number}.txt").write_text("as it was", encoding="utf-8")
        return host.run().backup_id

    def test_while_it_is_restored_the_volume_stays_as_it_was(
        self, host: HostUnderTest, workers: Workers, volume: Path, backup_id: str
    ) -> None:
        (volume / "1.txt").write_text("newer", encoding="utf-8")
        wanted = {"backup_id": backup_id, "confirm": True, "safety_backup": False}
        run_id = workers.launch(
            "restore_from_backup", config={"ops": {"restore": {"config": wanted}}}
        )
        into(workers, run_id, "restore")
        run = ended_by_a_person(workers, run_id)

        assert_over(host, run)
        assert (volume / "1.txt").read_text(encoding="utf-8") == "newer"
        assert len(list(volume.iterdir())) == MANY_FILES
        refuse_while_restoring(host.settings.state_dir)

    def test_while_it_is_drilled_nothing_is_left_of_the_copy(
        self, host: HostUnderTest, workers: Workers
    ) -> None:
        run_id = workers.launch("restore_drill")
        into(workers, run_id, "volumes_restore_drill")
        run = ended_by_a_person(workers, run_id)

        assert_over(host, run)
        assert list(host.settings.state_dir.rglob("*.txt")) == []


@pytest.mark.thorough
def test_a_load_test_and_its_generator_by_the_cancel_of_the_api(
    host: HostUnderTest, workers: Workers
) -> None:
    with (
        small_target() as target,
        dagster_web_server(Path(workers.instance.root_directory)) as server,
        closing(DagsterClient(load_settings({"dagster_url": server.url}))) as dagster,
    ):
        target.behaviour.delay_s = 0.2
        configure(host, LOAD_TEST_URL=target.url)
        run_id = workers.launch("load_test")
        pid = workers.worker_pid(run_id)
        wait_until(lambda: len(target.behaviour.seen) > 3, "k6 sends")
        children = descendants(pid)
        dagster.cancel(run_id)
        run = workers.ended(run_id, within_s=WITHIN_S)

    assert_over(host, run)
    assert children
    assert [each for each in children if Path(f"/proc/{each}").exists()] == []
