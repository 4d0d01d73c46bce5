"""One host that looks after two stacks, blue and green: a file each, everything else shared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.definitions import build_defs
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, make_volume_host

STACKS = ("blue", "green")


@dataclass(frozen=True)
class TwoStacks:
    """`host`: of what both share, in the environment."""

    host: HostUnderTest

    def settings(self, stack: str) -> Settings:
        return load_settings({"stack": stack})

    def configure(self, stack: str, **settings: object) -> None:
        """The file of that stack, with these settings besides its name and its one volume."""
        lines = {"stack": stack, "volumes": f"data={self.volume(stack)}", **settings}
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        path = self.host.root / "stacks" / f"{stack}.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def volume(self, stack: str) -> Path:
        return self.host.root / f"volume-{stack}"

    def sets(self, stack: str) -> set[str]:
        """Ids of the sets that lie in its own part of the first store."""
        return {each.name for each in (self.host.backups / stack / "sets").glob("*")}

    def run(
        self, instance: dg.DagsterInstance, stack: str, job: str = "nightly_backup"
    ) -> dg.ExecuteInProcessResult:
        found = build_defs(retry_delay_s=0).resolve_job_def(job)
        return found.execute_in_process(
            instance=instance, partition_key=stack, raise_on_error=False
        )


def make_two_stacks(root: Path, patch: pytest.MonkeyPatch) -> TwoStacks:
    host = make_volume_host(root, patch)
    host.set(VOLUMES=None, STACK=None, CONFIG=root / "stacks")
    (root / "stacks").mkdir()
    stacks = TwoStacks(host)
    for stack in STACKS:
        for store in (host.backups, host.offsite_dir):
            (store / stack).mkdir(mode=0o700)
        (root / "state" / "stacks" / stack).mkdir(mode=0o700, parents=True)
        stacks.volume(stack).mkdir()
        (stacks.volume(stack) / "greeting.txt").write_text(stack, encoding="utf-8")
        stacks.configure(stack)
    return stacks


@pytest.fixture
def two_stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoStacks:
    """Each backs up a volume of its own into its own part of two directories; needs no server."""
    return make_two_stacks(tmp_path, monkeypatch)
