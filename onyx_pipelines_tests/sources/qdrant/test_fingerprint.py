"""A point's fingerprint tells whether its content is the same, and depends on nothing else."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onyx_pipelines.sources.qdrant.facts import point_fingerprint

_QUICK = settings(max_examples=60, deadline=None)
_FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
_VECTORS = st.lists(_FLOATS, min_size=1, max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
_PAYLOADS = st.dictionaries(st.text(max_size=6), _JSON, min_size=1, max_size=5)
_SPARSE = st.dictionaries(st.integers(0, 2**32 - 1), _FLOATS, min_size=1, max_size=6)


def _reversed(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: payload[name] for name in reversed(list(payload))}


@_QUICK
@given(_VECTORS, _PAYLOADS)
def test_the_order_of_payload_keys_does_not_matter(
    vector: list[float], payload: dict[str, Any]
) -> None:
    assert point_fingerprint(vector, payload) == point_fingerprint(vector, _reversed(payload))


@_QUICK
@given(_SPARSE)
def test_the_order_of_a_sparse_vector_does_not_matter(entries: dict[int, float]) -> None:
    indices = list(entries)
    forwards = {"indices": indices, "values": [entries[each] for each in indices]}
    backwards = {"indices": indices[::-1], "values": [entries[each] for each in indices[::-1]]}

    assert point_fingerprint(forwards, {}) == point_fingerprint(backwards, {})


def test_dense_vectors_may_be_called_like_the_parts_of_a_sparse_one() -> None:
    named = {"indices": [1.0, 2.0], "values": [3.0]}
    other = {"indices": [1.0, 2.0], "values": [4.0]}
    multi = {"indices": [[1.0, 2.0]], "values": [3.0]}

    assert len({point_fingerprint(each, {}) for each in (named, other, multi)}) == 3


@_QUICK
@given(st.dictionaries(st.text(min_size=1, max_size=5), _VECTORS, min_size=1, max_size=3))
def test_the_order_of_named_vectors_does_not_matter(vectors: dict[str, list[float]]) -> None:
    assert point_fingerprint(vectors, {}) == point_fingerprint(_reversed(vectors), {})


@_QUICK
@given(_VECTORS, st.data())
def test_any_changed_vector_value_changes_it(vector: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(vector) - 1))
    value = data.draw(_FLOATS)
    assume(struct.pack("<f", value) != struct.pack("<f", vector[place]))

    other = [*vector[:place], value, *vector[place + 1 :]]

    assert point_fingerprint(vector, {}) != point_fingerprint(other, {})


@_QUICK
@given(_PAYLOADS, st.data())
def test_any_changed_payload_value_changes_it(payload: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(payload)))
    value = data.draw(_JSON)
    assume(repr(value) != repr(payload[name]))
    assume(value != payload[name])

    assert point_fingerprint([1.0], payload) != point_fingerprint([1.0], {**payload, name: value})


@_QUICK
@given(_SPARSE, st.data())
def test_a_sparse_value_at_another_index_changes_it(
    entries: dict[int, float], data: st.DataObject
) -> None:
    moved = data.draw(st.sampled_from(sorted(entries)))
    target = data.draw(st.integers(0, 2**32 - 1).filter(lambda index: index not in entries))
    others = {(target if index == moved else index): value for index, value in entries.items()}

    assert point_fingerprint(_sparse(entries), {}) != point_fingerprint(_sparse(others), {})


def _sparse(entries: dict[int, float]) -> dict[str, Any]:
    return {"indices": list(entries), "values": list(entries.values())}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([1.0, 2.0], [[1.0, 2.0]], id="dense or multi"),
        pytest.param([[1.0, 2.0]], [[1.0], [2.0]], id="multi of other shapes"),
        pytest.param({"a": [1.0]}, {"b": [1.0]}, id="other name"),
        pytest.param({"a": [1.0]}, [1.0], id="named or not"),
        pytest.param({"a": [1.0]}, {"a": [1.0], "b": [1.0]}, id="one more"),
        pytest.param([1.0], [1.0, 0.0], id="longer by a zero"),
        pytest.param(None, [0.0], id="none or zero"),
    ],
)
def test_other_shapes_of_vectors_have_other_fingerprints(one: object, other: object) -> None:
    assert point_fingerprint(one, {}) != point_fingerprint(other, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": 1}, {"a": "1"}, id="number or text"),
        pytest.param({"a": None}, {}, id="null or missing"),
        pytest.param({"a": True}, {"a": 1}, id="true or one"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, id="order of a list"),
        pytest.param({"a": "é"}, {"a": "e\u0301"}, id="unicode forms"),
    ],
)
def test_other_payloads_have_other_fingerprints(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert point_fingerprint([1.0], one) != point_fingerprint([1.0], other)


def test_no_payload_is_an_empty_payload() -> None:
    assert point_fingerprint([1.0], None) == point_fingerprint([1.0], {})


def test_what_is_no_vector_is_refused() -> None:
    with pytest.raises(TypeError):
        point_fingerprint("abc", {})
