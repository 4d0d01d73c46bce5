"""Random stacks on a real engine: after a backup and a restore each container is what it was, and
whoever has the volume mounted has the restored one."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines_tests.docker_engine import engine_host
from onyx_pipelines_tests.docker_world import SLEEPS, DockerWorld
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.recording_sink import RecordingSink
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    make_vault,
    restored,
    settings_for,
)

RUNNING, PAUSED, STOPPED, RESTARTING = "running", "paused", "exited", "restarting"
pytestmark = pytest.mark.thorough

STATES = (RUNNING, RUNNING, PAUSED, STOPPED, RESTARTING)


@dataclass(frozen=True)
class Service:
    """`depends_on`, `joins`: which of those before it, if they fit; `joins` shares its network."""

    state: str
    is_labelled: bool
    mounts_volume: bool
    depends_on: int | None
    joins: int | None


services = st.builds(
    Service,
    state=st.sampled_from(STATES),
    is_labelled=st.booleans(),
    mounts_volume=st.booleans(),
    depends_on=st.none() | st.integers(0, 3),
    joins=st.none() | st.integers(0, 3),
)


@dataclass(frozen=True)
class Stack:
    """`services` are called `s0`, `s1`, …, and run on the engine."""

    docker: DockerWorld
    services: Sequence[Service]

    def start(self, volume: Path) -> None:
        for number, each in enumerate(self.services):
            joined = self._joined(number)
            loops = each.state == RESTARTING
            self.docker.create(
                f"s{number}",
                labels=self._labels(number),
                command=("sh", "-c", "exit 3") if loops else SLEEPS,
                mounts={str(volume): "/d"} if each.mounts_volume else {},
                is_running=each.state != STOPPED,
                RestartPolicy={"Name": "always" if loops else "unless-stopped"},
                NetworkMode="none" if joined is None else f"container:{self.docker.prefix}{joined}",
            )
            if each.state == PAUSED:
                self.docker.pause(f"s{number}")

    def states(self) -> list[str]:
        """One that ends at once is said to run now and then, and one that never ran to be made."""
        return [
            self._shown(self.docker.status(f"s{number}"), each)
            for number, each in enumerate(self.services)
        ]

    def stopped_for_a_backup(self) -> set[str]:
        """Who has the label, and who shares a network with one of those."""
        stopped: set[str] = set()
        for number, each in enumerate(self.services):
            is_cut_off = self._joined(number) in stopped
            is_chosen = each.is_labelled and each.state in (RUNNING, RESTARTING)
            if each.state != STOPPED and (is_chosen or is_cut_off):
                stopped.add(f"s{number}")
        return stopped

    def running_with_volume(self) -> list[str]:
        return [
            f"s{number}"
            for number, each in enumerate(self.services)
            if each.mounts_volume and each.state == RUNNING
        ]

    def network(self, name: str) -> str:
        return self.docker.output(name, "readlink", "/proc/1/ns/net")

    def sharing(self) -> list[tuple[str, str]]:
        """Running ones that are in one network."""
        return [
            (f"s{number}", joined)
            for number, each in enumerate(self.services)
            if (joined := self._joined(number)) is not None and each.state == RUNNING
        ]

    def _joined(self, number: int) -> str | None:
        """Only who runs on can be joined."""
        wanted = self.services[number].joins
        if wanted is None or wanted >= number or self.services[wanted].state != RUNNING:
            return None
        return f"s{wanted}"

    def _labels(self, number: int) -> dict[str, str]:
        each = self.services[number]
        depends = each.depends_on if each.depends_on is not None else number
        return {
            "com.docker.compose.project": self.docker.prefix,
            "com.docker.compose.service": f"s{number}",
            "com.docker.compose.depends_on": f"s{depends}:service_started:false"
            if depends < number
            else "",
        } | ({self.docker.label: "v"} if each.is_labelled else {})

    def _shown(self, status: str, service: Service) -> str:
        if service.state == RESTARTING and status in (RUNNING, RESTARTING):
            return RESTARTING
        return STOPPED if status == "created" else status


@pytest.fixture(scope="module")
def host() -> str:
    return engine_host()


@settings(deadline=None, max_examples=random_examples(3), suppress_health_check=list(HealthCheck))
@given(services=st.lists(services, min_size=1, max_size=4))
def test_each_container_is_what_it_was(host: str, services: list[Service]) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(DockerWorld(host, f"onyx-test-{secrets.token_hex(4)}-")) as docker,
    ):
        folder = Path(directory)
        (folder / "v").mkdir()
        (folder / "v" / "file").write_bytes(b"as it was")
        stack = Stack(docker, services)
        stack.start(folder / "v")
        before = stack.states()

        _back_up_and_restore(stack, make_vault(folder), _settings(folder, docker))

        assert stack.states() == before
        for name in stack.running_with_volume():
            assert docker.output(name, "cat", "/d/file") == "as it was"
        for name, joined in stack.sharing():
            assert stack.network(name) == stack.network(joined)


def _settings(folder: Path, docker: DockerWorld) -> Settings:
    return settings_for(folder, {"v": folder / "v"}).model_copy(
        update={"docker_host": docker.host, "stop_containers_label": docker.label}
    )


def _back_up_and_restore(stack: Stack, vault: Vault, settings: Settings) -> None:
    at_rest: list[set[str]] = []

    def look(_: str) -> None:
        if not at_rest:
            states = zip(range(len(stack.services)), stack.states(), strict=True)
            at_rest.append({f"s{number}" for number, state in states if state == STOPPED})

    sink = RecordingSink(look)
    before = stack.states()
    VolumesSource.from_settings(settings).back_up(sink, silent)
    after = stack.states()
    objects = vault.seal({path: each.data for path, each in sink.objects.items()})
    (settings.volumes["v"].path / "file").write_bytes(b"newer")
    result = restored(objects, RestoreChoice(volumes=("v",)), settings)

    stopped = {f"s{n}" for n, each in enumerate(stack.services) if each.state == STOPPED}
    assert at_rest == [stack.stopped_for_a_backup() | stopped]
    assert after == before
    assert result.verdict is Verdict.PASSED
