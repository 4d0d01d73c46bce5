"""What the stack is made from is in the backup: Compose's files, env files, the images' digests."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.sources.volumes.compose_files import PROJECT, compose_files, stack_of
from onyx_pipelines.sources.volumes.docker_engine import Container, Mount
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume
from onyx_pipelines.sources.volumes.facts import Entry, read_facts
from onyx_pipelines.sources.volumes.recipe import RECIPE
from onyx_pipelines_tests.docker_engine import IMAGE
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.recording_sink import RecordingSink


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As Compose finds it."""
    folder = tmp_path / "srv" / "onyx"
    (folder / "data").mkdir(parents=True)
    for name in ("compose.yaml", ".env", "api.env", "data/large", "notes.txt"):
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def settings_of(tmp_path: Path, **settings: object) -> Settings:
    (tmp_path / "v").mkdir()
    return load_settings(
        {
            "volumes": f"v={tmp_path / 'v'}",
            "state_dir": tmp_path / "state",
            "recipients_file": tmp_path / "keys" / "recipients.json",
            **settings,
        }
    )


def entries_of(sink: RecordingSink) -> dict[str, Entry]:
    """Of the recipe, by whole paths; none where there is no recipe."""
    facts = sink.objects.get(f"facts/volumes/{RECIPE}.jsonl")
    if facts is None:
        return {}
    return {f"/{os.fsdecode(e.path)}": e for e in read_facts(facts.data.splitlines())[1]}


def backed_up(settings: Settings) -> RecordingSink:
    sink = RecordingSink()
    VolumesSource.from_settings(settings).back_up(sink, silent)
    return sink


def warnings_of(settings: Settings) -> tuple[str, ...]:
    return VolumesSource.from_settings(settings).back_up(RecordingSink(), silent).warnings


def files(entries: dict[str, Entry]) -> set[str]:
    return {path for path, each in entries.items() if each.type is not EntryType.DIRECTORY}


def test_what_is_configured_is_backed_up_and_nothing_beside_it(
    tmp_path: Path, project: Path
) -> None:
    settings = settings_of(tmp_path, recipe=f"{project / 'data'},{project / 'compose.yaml'}")

    entries = entries_of(backed_up(settings))

    assert files(entries) == {f"{project}/compose.yaml", f"{project}/data/large"}
    assert f"{project.parent}" in entries


def test_what_a_link_stands_for_is_backed_up_with_it(tmp_path: Path, project: Path) -> None:
    (tmp_path / "link").symlink_to("srv/onyx/compose.yaml")

    entries = entries_of(backed_up(settings_of(tmp_path, recipe=str(tmp_path / "link"))))

    assert files(entries) == {f"{tmp_path}/link", f"{project}/compose.yaml"}


def test_the_key_that_opens_the_backup_is_never_in_it(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("private.json", "signing-key.json", "recipients.json"):
        (keys / name).write_text("key", encoding="utf-8")
    settings = settings_of(tmp_path, recipe=str(keys), private_key_file=keys / "private.json")

    entries = entries_of(backed_up(settings))

    assert files(entries) == {f"{keys}/recipients.json"}


def test_the_key_is_not_in_it_by_another_name_either(tmp_path: Path, project: Path) -> None:
    (tmp_path / "private.json").write_text("key", encoding="utf-8")
    (project / "secret.json").hardlink_to(tmp_path / "private.json")
    settings = settings_of(
        tmp_path, recipe=str(project), private_key_file=tmp_path / "private.json"
    )

    assert f"{project}/secret.json" not in entries_of(backed_up(settings))


def test_what_is_configured_and_is_not_there_is_a_warning(tmp_path: Path) -> None:
    warnings = warnings_of(settings_of(tmp_path, recipe=str(tmp_path / "gone")))

    assert warnings == (f"stack-recipe: {tmp_path}/gone of ONYX_RECIPE is not there",)


def test_an_engine_that_does_not_answer_is_a_warning(tmp_path: Path, project: Path) -> None:
    host = f"unix://{tmp_path}/no-socket"
    (tmp_path / "no-socket").touch()

    (warning,) = warnings_of(settings_of(tmp_path, recipe=str(project), docker_host=host))

    assert "what Compose made is left out: The Docker engine" in warning


def test_without_anything_there_is_none(tmp_path: Path) -> None:
    assert entries_of(backed_up(settings_of(tmp_path))) == {}


def test_a_volume_of_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be called stack-recipe"):
        VolumesSource({RECIPE: tmp_path})


def named_by_labels(docker: DockerWorld, project: Path) -> dict[str, str]:
    return {
        "com.docker.compose.project": f"{docker.prefix}onyx",
        "com.docker.compose.service": "api",
        "com.docker.compose.project.working_dir": str(project),
        "com.docker.compose.project.config_files": f"{project}/compose.yaml,{project}/gone.yaml",
    }


def test_the_files_and_images_of_a_project_that_uses_a_volume_come_by_themselves(
    docker: DockerWorld, tmp_path: Path, project: Path
) -> None:
    settings = settings_of(tmp_path, docker_host=docker.host)
    docker.create(
        "api",
        labels=named_by_labels(docker, project),
        mounts={str(tmp_path / "v"): "/d"},
        is_running=False,
    )

    sink = backed_up(settings)

    note = settings.state_dir / "recipe" / "images.json"
    assert files(entries_of(sink)) == {
        f"{project}/compose.yaml", f"{project}/.env", f"{project}/api.env", str(note),
    }  # fmt: skip
    (used,) = json.loads(note.read_text(encoding="utf-8"))
    assert (used["container"], used["service"]) == (f"{docker.prefix}api", "api")
    assert used["image"] == IMAGE
    assert used["image_id"].startswith("sha256:")


def test_what_these_mention_or_have_mounted_comes_too(
    docker: DockerWorld, tmp_path: Path, project: Path
) -> None:
    settings = settings_of(tmp_path, docker_host=docker.host)
    (tmp_path / "certificate.pem").touch()
    (project / "secrets").mkdir()
    for name in ("secrets/db", "nginx.conf", "large.dump"):
        (project / name).touch()
    os.truncate(project / "large.dump", 2 << 20)
    (project / "compose.yaml").write_text(
        "env_file: [secrets/db]\nvolumes: [./nginx.conf:/etc/nginx.conf:ro, ./large.dump:/d, .:/x]",
        encoding="utf-8",
    )
    mounts = {str(tmp_path / "v"): "/d", str(tmp_path / "certificate.pem"): "/certificate.pem"}
    labels = named_by_labels(docker, project)
    docker.create("api", labels=labels, mounts=mounts, is_running=False)

    found = files(entries_of(backed_up(settings)))

    assert {f"{project}/secrets/db", f"{project}/nginx.conf", f"{tmp_path}/certificate.pem"} < found
    assert not found & {f"{project}/large.dump", f"{project}/notes.txt"}


def test_what_an_included_file_mentions_comes_too(
    docker: DockerWorld, tmp_path: Path, project: Path
) -> None:
    (project / "db").mkdir()
    (project / "compose.yaml").write_text("include: [db/compose.yml]", encoding="utf-8")
    (project / "db" / "compose.yml").write_text("env_file: [./password]", encoding="utf-8")
    (project / "db" / "password").touch()
    labels, mounts = named_by_labels(docker, project), {str(tmp_path / "v"): "/d"}
    docker.create("api", labels=labels, mounts=mounts, is_running=False)

    found = files(entries_of(backed_up(settings_of(tmp_path, docker_host=docker.host))))

    assert {f"{project}/db/compose.yml", f"{project}/db/password"} < found


def folder_of(project: Path, name: str, count: int, size_bytes: int = 1) -> Mount:
    """Mounted to be read."""
    live = project / name / "live"
    live.mkdir(parents=True)
    for number in range(count):
        (live / str(number)).touch()
        os.truncate(live / str(number), size_bytes)
    return Mount(str(project / name), f"/{name}", is_writable=False)


def test_a_directory_of_small_files_that_a_container_only_reads_comes_too(project: Path) -> None:
    certificates = folder_of(project, "certificates", 2)
    mounts = (
        certificates,
        replace(folder_of(project, "written", 2), is_writable=True),
        folder_of(project, "many", 101),
        folder_of(project, "large", 1, 2 << 20),
        folder_of(project, "nothing", 0),
        folder_of(project, "volume", 1),
    )
    volume = EngineVolume("v", mountpoint=mounts[-1].source)

    found = compose_files(
        [Container("1", "api", "running", mounts=mounts)], EnginePlaces((volume,))
    )

    assert found.readable == {Path(certificates.source)}


def test_what_cannot_be_read_of_these_is_a_warning(
    docker: DockerWorld, tmp_path: Path, project: Path
) -> None:
    labels, mounts = named_by_labels(docker, project), {str(tmp_path / "v"): "/d"}
    docker.create("api", labels=labels, mounts=mounts, is_running=False)

    warnings = warnings_of(settings_of(tmp_path, docker_host=docker.host))

    assert warnings == (
        f"stack-recipe: {project}/gone.yaml belongs to the stack and cannot be read here",
    )


def test_those_of_another_project_do_not(
    docker: DockerWorld, tmp_path: Path, project: Path
) -> None:
    docker.create("api", labels=named_by_labels(docker, project), is_running=False)

    assert entries_of(backed_up(settings_of(tmp_path, docker_host=docker.host))) == {}


def test_in_a_container_the_hosts_files_are_where_it_has_them_mounted(project: Path) -> None:
    own = Container(
        "own",
        "backup",
        "running",
        labels={PROJECT: "backups", f"{PROJECT}.config_files": "/opt/x/compose.yaml,/lost.yaml"},
        mounts=(Mount("/opt", "/unused"), Mount("/opt/x", str(project))),
    )
    places = EnginePlaces(own_id="own", own_mounts=own.mounts)

    found = compose_files(stack_of([own], places, ()), places)

    assert found.readable == {project / "compose.yaml"}
    assert found.unread == {Path("/lost.yaml")}
