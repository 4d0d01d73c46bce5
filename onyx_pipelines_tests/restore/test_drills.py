"""A drill is silent on a healthy set; whatever a set lacks makes it fail, and is named."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest

from onyx_pipelines.backup import steps
from onyx_pipelines.core.errors import IntegrityError, KeyFileError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.drill import run_drill
from onyx_pipelines.restore.results import DrillResult
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.keys import create_private_key
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines_tests.fixtures_sandbox import COLLECTION, HostUnderTest
from onyx_pipelines_tests.lifetime import session_directory
from onyx_pipelines_tests.planting import flip_a_byte, plant, replaced
from onyx_pipelines_tests.restore.doctored_source import DoctoredSource, Edit

pytestmark = pytest.mark.slow

ONYX = "facts/postgresql/db-onyx.json"
GLOBALS = "facts/postgresql/globals.json"
DOCUMENTS = f"facts/qdrant/{COLLECTION}.json"


def drill(
    host: HostUnderTest,
    store: str | None = None,
    *components: Component,
    backup_id: str = "latest",
) -> DrillResult:
    return run_drill(
        host.settings,
        backup_id=backup_id,
        store_name=store,
        components=components or None,
        drill_id=str(uuid.uuid4()),
        progress=silent,
    )


def drill_doctored(
    host: HostUnderTest, component: Component, facts_path: str, edit: Edit
) -> DrillResult:
    """Back up one component with edited facts, and drill it from the local store."""
    opened = host.open()
    source = DoctoredSource(opened.sources[component], facts_path, edit)
    opened = dataclasses.replace(opened, sources={component: source})
    backup_id = str(uuid.uuid4())
    steps.back_up_component(opened, backup_id, component, silent)
    steps.complete_set(opened, backup_id, backup_type=BackupType.DAILY, requested=None)
    return drill(host, "local")


def problems(result: DrillResult) -> str:
    return "\n".join(
        f"{finding.verdict.value} {finding.item} {finding.message} {finding.expected}"
        for component in result.components
        for finding in component.problems()
    )


class TestAHealthySet:
    def test_passes_from_the_off_site_copy_which_is_noted_and_leaves_nothing_in_scratch(
        self, backup_host: HostUnderTest
    ) -> None:
        # Not below pytest's directories, which PostgreSQL's user cannot enter.
        scratch = session_directory() / f"scratch-{uuid.uuid4()}"
        scratch.mkdir(mode=0o711)
        backup_host.set(SCRATCH_DIR=scratch)
        outcome = backup_host.run()

        result = drill(backup_host)

        assert result.verdict is Verdict.PASSED, problems(result)
        assert result.store == "offsite"
        view = backup_host.open().catalog.find(outcome.backup_id)
        assert view.last_drill_passed_at is not None
        assert list(scratch.iterdir()) == []

    def test_of_which_a_part_was_drilled_is_not_known_to_come_back(
        self, backup_host: HostUnderTest
    ) -> None:
        outcome = backup_host.run(Component.VOLUMES, Component.POSTGRESQL)

        drill(backup_host, "local", Component.VOLUMES)

        view = backup_host.open().catalog.find(outcome.backup_id)
        assert view.last_drill_passed_at is None


def one_row_short(facts: dict[str, Any]) -> None:
    _named(facts["tables"], "app.users")["rows"] += 1


def one_value_changed(facts: dict[str, Any]) -> None:
    _named(facts["tables"], "app.messages")["fingerprint"] = "1"


def sequence_behind(facts: dict[str, Any]) -> None:
    _named(facts["sequences"], "app.messages_id_seq")["last_value"] += 1


def missing_index(facts: dict[str, Any]) -> None:
    facts["schema_items"].append(
        {"kind": "index", "name": "app.lost_index", "definition": "0" * 64}
    )


def missing_table(facts: dict[str, Any]) -> None:
    table = dict(_named(facts["tables"], "app.users"), name="app.lost_table")
    facts["tables"].append(table)


def missing_role(facts: dict[str, Any]) -> None:
    facts["roles"].append(dict(facts["roles"][0], name="lost_role"))


def one_point_short(facts: dict[str, Any]) -> None:
    facts["points_before"] += 1
    facts["points_after"] += 1


def one_vector_changed(facts: dict[str, Any]) -> None:
    facts["sample"][0]["fingerprint"] = "0" * 64


def wrong_distance(facts: dict[str, Any]) -> None:
    facts["config"]["params"]["vectors"]["distance"] = "Dot"


def other_neighbours(facts: dict[str, Any]) -> None:
    facts["query"]["neighbours"][0]["score"] += 0.5


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


@pytest.mark.parametrize(
    ("component", "facts_path", "edit", "named"),
    [
        (Component.POSTGRESQL, ONYX, one_row_short, "app.users"),
        (Component.POSTGRESQL, ONYX, one_value_changed, "app.messages"),
        (Component.POSTGRESQL, ONYX, sequence_behind, "app.messages_id_seq"),
        (Component.POSTGRESQL, ONYX, missing_index, "app.lost_index"),
        (Component.POSTGRESQL, ONYX, missing_table, "app.lost_table"),
        (Component.POSTGRESQL, GLOBALS, missing_role, "lost_role"),
        (Component.QDRANT, DOCUMENTS, one_point_short, "number of points"),
        (Component.QDRANT, DOCUMENTS, one_vector_changed, "another vector or payload"),
        (Component.QDRANT, DOCUMENTS, wrong_distance, "params.vectors.distance differs"),
        (Component.QDRANT, DOCUMENTS, other_neighbours, "stored query"),
    ],
    # The same for every worker.
    ids=lambda value: (
        str(value).replace(COLLECTION, "documents") if isinstance(value, str) else None
    ),
)
def test_what_a_set_lacks_makes_its_drill_fail_and_is_named(
    backup_host: HostUnderTest, component: Component, facts_path: str, edit: Edit, named: str
) -> None:
    result = drill_doctored(backup_host, component, facts_path, edit)

    assert result.verdict is Verdict.FAILED
    assert named in problems(result)


def test_an_extension_that_scratch_lacks_leaves_the_rest_verified(
    backup_host: HostUnderTest,
) -> None:
    def extension(facts: dict[str, Any]) -> None:
        facts["extensions"].append({"name": "lost_extension", "version": "1"})

    result = drill_doctored(backup_host, Component.POSTGRESQL, ONYX, extension)

    assert result.verdict is Verdict.COULD_NOT_VERIFY
    assert "lost_extension" in problems(result)


class TestAndItsObstacles:
    def test_a_damaged_object_fails_and_is_named(self, volume_host: HostUnderTest) -> None:
        outcome = volume_host.run()
        sealed = next(volume_host.backups.rglob("*.tar.zst.sealed"))
        flip_a_byte(sealed, -1)

        result = drill(volume_host, "local")

        assert outcome.backup_id == result.backup_id
        assert result.verdict is Verdict.FAILED

    def test_a_set_of_which_an_object_was_not_copied_fails_and_names_it(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.run()
        next(volume_host.offsite_dir.rglob("*.tar.zst.sealed")).unlink()

        result = drill(volume_host, "offsite")

        assert result.verdict is Verdict.FAILED
        assert "data.tar.zst.sealed" in problems(result)

    @pytest.mark.parametrize("asked", ["latest", "its id"])
    def test_a_half_copied_set_fails_and_is_named(
        self, volume_host: HostUnderTest, asked: str
    ) -> None:
        backup_id = volume_host.run().backup_id
        next(volume_host.offsite_dir.rglob("manifest.json")).unlink()

        with pytest.raises(IntegrityError, match=f"The set {backup_id} in the offsite store"):
            drill(volume_host, "offsite", backup_id=backup_id if asked == "its id" else "latest")

    def test_a_set_of_a_newer_format_fails_and_says_so(self, volume_host: HostUnderTest) -> None:
        backup_id = volume_host.run().backup_id
        manifest = next(volume_host.backups.rglob("manifest.json"))
        plant(manifest, replaced(b'"format_version": 2', b'"format_version": 3'))

        with pytest.raises(IntegrityError, match=rf"The set {backup_id} .* format version 3"):
            drill(volume_host, "local")

    def test_a_set_that_is_not_sealed_to_this_hosts_key_fails(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.run()
        other = volume_host.root / "other.json"
        create_private_key(other, "other")
        volume_host.set(PRIVATE_KEY_FILE=other)

        result = drill(volume_host, "local")

        assert result.verdict is Verdict.FAILED
        assert "not sealed to the key" in problems(result)

    def test_a_host_with_public_keys_only_says_so(self, volume_host: HostUnderTest) -> None:
        volume_host.run()
        volume_host.set(PRIVATE_KEY_FILE=None)

        with pytest.raises(KeyFileError, match="no private key"):
            drill(volume_host, "local")


def test_what_a_partial_set_does_not_hold_is_named_and_not_verified(
    backup_host: HostUnderTest,
) -> None:
    backup_host.set(QDRANT_COLLECTIONS=f"{COLLECTION},not-there")
    backup_host.run(Component.QDRANT)

    result = drill(backup_host, "local")

    assert result.verdict is Verdict.COULD_NOT_VERIFY
    [problem] = result.components[0].problems()
    assert problem.item == "not-there"
    assert problem.message.startswith("the set does not have it: Qdrant")
