"""`docker` and `certbot` of the sandbox's host, where nothing runs: what they say is so."""

from __future__ import annotations

import os
import shlex
import ssl
from pathlib import Path

import pytest

from onyx_pipelines.readiness.playbook import playbooks
from onyx_pipelines.sandbox.game_days.certificates import certbot
from onyx_pipelines.sandbox.game_days.compose import unused_images
from onyx_pipelines.sandbox.game_days.docker_command import DockerCommand
from onyx_pipelines.sandbox.game_days.terminal import commands_of, sandbox_at
from onyx_pipelines.sandbox.monitoring.edge import Edge
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.requirements_of_tests import program

# The daemon of Dagster is no part of the sandbox.
NOT_OFFERED = "dagster-daemon"
WRITTEN = [
    part.strip()
    for each in playbooks()
    for text in (
        *(action.command for action in each.resolution),
        *(shlex.join(step.command) for step in each.diagnosis),
    )
    for part in text.split("&&")
    if part.strip().startswith("docker ") and NOT_OFFERED not in part
]


@pytest.fixture
def docker(tmp_path: Path) -> DockerCommand:
    return DockerCommand(Sandbox(tmp_path))


@pytest.mark.parametrize("command", sorted(set(WRITTEN)))
def test_every_command_of_a_playbook_is_known(command: str, docker: DockerCommand) -> None:
    assert docker.parsed(shlex.split(command)[1:]).run


@pytest.mark.parametrize(
    "command", ["compose up qdrant", "compose up --detach dragon", "rm --force everything"]
)
def test_what_it_does_not_know_is_an_error_of_usage(
    command: str, docker: DockerCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        docker.run(shlex.split(command))

    assert ended.value.code == 2
    assert "docker" in capsys.readouterr().err


def test_it_says_of_what_does_not_run_that_it_has_ended(
    docker: DockerCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ps", "--all", "--filter", "name=litellm", "--format", "{{.Status}}"]

    assert docker.run(words) == 0
    assert capsys.readouterr().out == "Exited\n"
    assert docker.run(["ps", "--filter", "name=litellm", "--format", "{{.Status}}"]) == 0
    assert capsys.readouterr().out == ""


def test_nothing_is_run_within_what_does_not_run(
    docker: DockerCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert docker.run(shlex.split("compose exec nginx nginx -s reload")) == 1
    assert "is not running" in capsys.readouterr().err


def test_images_that_nothing_uses_are_removed_and_nothing_else(
    tmp_path: Path, docker: DockerCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    images = unused_images(Sandbox(tmp_path))
    images.mkdir()
    (images / "old").write_bytes(bytes(2000))
    (tmp_path / "data").write_bytes(b"x")

    docker.run(["system", "df"])
    docker.run(["image", "prune", "--force"])

    assert "2 kB" in capsys.readouterr().out
    assert list(images.iterdir()) == []
    assert (tmp_path / "data").exists()


def test_a_file_is_put_aside_within_the_folder_of_its_service(
    tmp_path: Path, docker: DockerCommand
) -> None:
    folder = tmp_path / "qdrant" / "data" / "storage"
    (folder / "collections" / "documents").mkdir(parents=True)
    command = "compose run --rm --no-deps --entrypoint mv qdrant storage/collections/documents"

    assert docker.run([*shlex.split(command), "storage/documents.damaged"]) == 0
    assert [each.name for each in sorted(folder.iterdir())] == ["collections", "documents.damaged"]


def test_a_trial_of_a_renewal_changes_nothing_and_a_renewal_does(tmp_path: Path) -> None:
    program("openssl")
    edge = Edge(tmp_path / "nginx")
    edge.state_dir.mkdir()
    edge.issue(1)
    before = edge.certificate.read_bytes()

    certbot(edge, ["renew", "--dry-run"])
    tried = edge.certificate.read_bytes()
    certbot(edge, ["renew"])

    assert tried == before
    assert edge.certificate.read_bytes() != before
    assert ssl.PEM_cert_to_DER_cert(edge.certificate.read_text(encoding="ascii"))


def test_a_command_of_the_sandbox_finds_the_real_one_and_not_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = commands_of(Sandbox(tmp_path))
    monkeypatch.setenv("PATH", f"{own}:/usr/bin:/bin")

    sandbox_at(str(tmp_path))

    assert os.environ["PATH"] == "/usr/bin:/bin"
