"""Everything that the server tells of a collection is compared; how it tells it does not matter."""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.restore.qdrant.configuration import differences
from onyx_pipelines.sources.qdrant.snapshot_archive import UnpackedSnapshot, unpack_snapshot
from onyx_pipelines_tests.recorded_qdrant import ALL, Recorded

NAMED = Recorded("1.18.3", "mixed_vectors")
INDEXED = Recorded("1.18.3", "indexed")


def ids(each: Recorded) -> str:
    return f"{each.version}-{each.name}"


def unpacked(recorded: Recorded) -> UnpackedSnapshot:
    with tempfile.TemporaryDirectory() as folder:
        return unpack_snapshot(
            io.BytesIO(recorded.snapshot), Path(folder) / "out", max_bytes=1 << 40
        )


@pytest.mark.parametrize("recorded", ALL, ids=ids)
def test_what_the_api_told_is_what_the_snapshot_has(recorded: Recorded) -> None:
    snapshot = unpacked(recorded)

    assert differences(recorded.facts(), snapshot.config, snapshot.payload_schema) == []


def leaves(value: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, each in value.items():
        if isinstance(each, dict) and each:
            yield from leaves(each, (*path, key))
        elif each is not None and each != {}:
            yield (*path, key)


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"other-{value}" if isinstance(value, str) else ["other"]


EVERY_VALUE = sorted({path for each in ALL for path in leaves(each.info["info"]["config"])})


@pytest.mark.parametrize("path", EVERY_VALUE, ids=".".join)
def test_any_value_that_is_another_or_gone_is_a_difference(path: tuple[str, ...]) -> None:
    recorded = next(each for each in ALL if path in set(leaves(each.info["info"]["config"])))
    config, without = (copy.deepcopy(recorded.info["info"]["config"]) for _ in range(2))
    inner, inner_without = config, without
    for part in path[:-1]:
        inner, inner_without = inner[part], inner_without[part]
    inner[path[-1]] = changed(inner[path[-1]])
    del inner_without[path[-1]]
    schema = recorded.facts().payload_schema

    for other in (config, without):
        (found,) = differences(recorded.facts(), other, schema)
        assert found.what == ("metadata" if path[0] == "metadata" else ".".join(path))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("params", "sparse_vectors", "splade", "modifier"), "idf"),
        (("params", "vectors", "title", "datatype"), "float16"),
        (("params", "vectors", "title", "on_disk"), True),
        (("params", "vectors", "title", "hnsw_config", "m"), 4),
        (("quantization_config",), {"scalar": {"type": "int8"}}),
        (("strict_mode_config",), {"enabled": True}),
        (("metadata",), {"owner": "somebody"}),
        (("hnsw_config", "payload_m"), 3),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_a_setting_that_was_not_there_is_a_difference(path: tuple[str, ...], value: Any) -> None:
    config = copy.deepcopy(NAMED.info["info"]["config"])
    inner = config
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
    inner[path[-1]] = value

    assert len(differences(NAMED.facts(), config, {})) == 1


def test_a_sparse_vector_without_parameters_that_is_gone_is_a_difference() -> None:
    config = copy.deepcopy(NAMED.info["info"]["config"])
    del config["params"]["sparse_vectors"]["splade"]

    (found,) = differences(NAMED.facts(), config, {})

    assert found.what == "params.sparse_vectors.splade"


def test_what_stands_in_metadata_is_not_shown() -> None:
    recorded = Recorded("1.18.3", "metadata")
    config = {**recorded.info["info"]["config"], "metadata": {"owner": "planted-content"}}

    (found,) = differences(recorded.facts(), config, {})

    assert "planted-content" not in repr(found)
    assert "search" not in repr(found)


class TestAPayloadIndex:
    def test_of_another_type_is_a_difference(self) -> None:
        schema = {**INDEXED.facts().payload_schema, "page": {"data_type": "float"}}

        (found,) = differences(INDEXED.facts(), INDEXED.info["info"]["config"], schema)

        assert found.what == "payload index page"

    def test_with_another_option_is_a_difference(self) -> None:
        schema = copy.deepcopy(INDEXED.facts().payload_schema)
        schema["tenant"]["params"]["is_tenant"] = False

        (found,) = differences(INDEXED.facts(), INDEXED.info["info"]["config"], schema)

        assert found.what == "payload index tenant"

    @pytest.mark.parametrize("name", sorted(INDEXED.facts().payload_schema))
    def test_that_is_missing_is_a_difference(self, name: str) -> None:
        schema = {k: v for k, v in INDEXED.facts().payload_schema.items() if k != name}

        (found,) = differences(INDEXED.facts(), INDEXED.info["info"]["config"], schema)

        assert (found.what, found.found) == (f"payload index {name}", "")

    def test_that_was_not_there_is_a_difference(self) -> None:
        (found,) = differences(NAMED.facts(), NAMED.info["info"]["config"], {"new": "keyword"})

        assert (found.what, found.wanted) == ("payload index new", "")


class TestAServerOfAnotherVersion:
    def test_may_have_a_tuning_that_the_older_one_did_not_know(self) -> None:
        config = copy.deepcopy(NAMED.info["info"]["config"])
        config["hnsw_config"]["new_in_this_version"] = 7

        assert len(differences(NAMED.facts(), config, {})) == 1
        assert differences(NAMED.facts(), config, {}, of_another_version=True) == []

    def test_has_all_else_as_it_was(self) -> None:
        config = copy.deepcopy(NAMED.info["info"]["config"])
        config["hnsw_config"]["m"] = 7
        config["quantization_config"] = {"scalar": {"type": "int8"}}

        found = differences(NAMED.facts(), config, {}, of_another_version=True)

        assert {each.what for each in found} == {
            "hnsw_config.m",
            "quantization_config.scalar.type",
        }
