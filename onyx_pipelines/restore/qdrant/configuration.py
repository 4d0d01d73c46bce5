"""Is a collection configured as it was? Everything that the server tells of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from onyx_pipelines.sources.qdrant.facts import CollectionFacts

Path = tuple[str, ...]
# Of this very collection, and in the snapshot only.
_NOT_COMPARED: Final = frozenset({"uuid"})
# Whatever somebody wrote there is one value, and is not shown.
_METADATA: Final = "metadata"
# Where a newer server may have a default that an older one did not know.
_TUNING: Final = frozenset({"hnsw_config", "optimizer_config", "wal_config"})
# A vector by its name is there also where it has no parameters of its own.
_OF_VECTORS: Final = (("params", "vectors"), ("params", "sparse_vectors"))
_PRESENT: Final = "present"


@dataclass(frozen=True)
class Difference:
    """One value; "" where there is none."""

    what: str
    wanted: str
    found: str


def differences(
    expected: CollectionFacts,
    config: Mapping[str, Any],
    schema: Mapping[str, Any],
    *,
    of_another_version: bool = False,
) -> list[Difference]:
    """What is not as it was, in configuration and payload indexes.

    Args:
        config, schema: as a server tells them, or as its snapshot has them.
        of_another_version: they are of another version of the server than the facts are.
    """
    wanted, found = dict(_leaves(expected.config)), dict(_leaves(config))
    # Facts of the first version left out what the client did not know.
    forgives_new = of_another_version or expected.format_version == 1
    different = [
        _difference(path, wanted.get(path), found.get(path))
        for path in sorted(wanted.keys() | found.keys())
        if wanted.get(path) != found.get(path)
        and not (path not in wanted and forgives_new and _is_tuning(path))
    ]
    indexes, found_indexes = _indexes(expected.payload_schema), _indexes(schema)
    different += [
        Difference(
            f"payload index {name}", _shown(indexes.get(name)), _shown(found_indexes.get(name))
        )
        for name in sorted(indexes.keys() | found_indexes.keys())
        if indexes.get(name) != found_indexes.get(name)
    ]
    return different


def index_types(facts: CollectionFacts) -> dict[str, str]:
    """Of the payload indexes, by field."""
    return {
        field: str(index.get("type", "")) for field, index in _indexes(facts.payload_schema).items()
    }


def vector_parameters(config: Mapping[str, Any], using: str) -> dict[str, Any]:
    """Of the dense vector with that name; "" is the name of an only one."""
    vectors = config.get("params", {}).get("vectors") or {}
    named = {"": vectors} if _is_only_vector(vectors) else vectors
    return dict(named.get(using) or {})


def _is_only_vector(vectors: Mapping[str, Any]) -> bool:
    """Its parameters, and not vectors by name, one of which may be called size."""
    return isinstance(vectors.get("size"), int)


def _leaves(value: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value with its path. A setting that is null or empty is one that is not there."""
    for key, each in value.items():
        here = (*path, key)
        if here == (_METADATA,):
            if each:
                yield here, each
        elif isinstance(each, Mapping):
            if path in _OF_VECTORS and not _is_only_vector(value):
                yield here, _PRESENT
            yield from _leaves(each, here)
        elif each is not None and key not in _NOT_COMPARED:
            yield here, each


def _is_tuning(path: Path) -> bool:
    return any(part in _TUNING for part in path)


def _indexes(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By field, in one form for the server's two: `{"data_type", "params"}` in its answers, and
    `"keyword"` or `{"type", …}` in its snapshots."""
    return {name: _index(each) for name, each in schema.items()}


def _index(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"type": value}
    if not isinstance(value, Mapping):
        return {}
    if "data_type" in value:
        value = {"type": value["data_type"], **(value.get("params") or {})}
    return {key: each for key, each in value.items() if each is not None}


def _difference(path: Path, wanted: Any, found: Any) -> Difference:
    if path[0] == _METADATA:
        return Difference(_METADATA, *("" if each is None else "other" for each in (wanted, found)))
    return Difference(".".join(path), _shown(wanted), _shown(found))


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
