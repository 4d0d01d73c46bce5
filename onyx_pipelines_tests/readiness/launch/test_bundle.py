"""An evidence bundle: the same state is the same bytes, and no byte of it can be another one."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.archive import headers
from onyx_pipelines.archive.headers import END_OF_ARCHIVE, Header, encode_header, padding
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch.bundle import Content, open_bundle
from onyx_pipelines.readiness.launch.bundle_archive import (
    LARGEST_BYTES,
    LaunchBundleError,
    pack,
    unpack,
)
from onyx_pipelines.readiness.launch.bundling import read_bundle
from onyx_pipelines.readiness.launch.lapses import lapses
from onyx_pipelines.readiness.launch.verdicts import ItemResult, LaunchReview
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.readiness.launch.passing import AT, bundled, content_of
from onyx_pipelines_tests.vault.sets import signers

CONTENT: Final = content_of()
BUNDLE: Final = bundled(CONTENT)
HOSTS: Final = signers("host")
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
FACTS: Final = st.dictionaries(st.text(max_size=12), JSON, max_size=4)
MOMENTS: Final = st.timedeltas(timedelta(0), timedelta(days=4000)).map(lambda span: AT + span)
RESULTS: Final = st.builds(
    ItemResult,
    item_id=st.text(max_size=20),
    verdict=st.sampled_from(Verdict),
    found=st.text(max_size=40),
    at=MOMENTS,
    expires_at=st.none() | MOMENTS,
    evidence=FACTS,
)
REVIEWS: Final = st.builds(
    LaunchReview, at=MOMENTS, commit=st.text(max_size=40), results=st.lists(RESULTS, max_size=3)
)


def is_noticed(data: bytes) -> bool:
    """Whether whoever judges it sees that it is not what was bundled."""
    try:
        return bool(lapses(open_bundle(data), HOSTS, AT))
    except LaunchBundleError:
        return True


def member(path: bytes, kind: bytes = headers.REGULAR, content: bytes = b"", **more: Any) -> bytes:
    header = Header(path, kind, 0o644, 0, 0, 0, size_bytes=len(content), **more)
    return encode_header(header) + content + bytes(padding(len(content)))


def archive(*members: bytes) -> bytes:
    root = encode_header(Header(b"./", headers.DIRECTORY, 0o755, 0, 0, 0))
    return b"".join((root, *members, END_OF_ARCHIVE))


def test_the_same_state_is_the_same_bytes() -> None:
    backwards = replace(CONTENT, signoffs=CONTENT.signoffs[::-1])

    assert bundled(backwards) == bundled(content_of()) == BUNDLE


@settings(max_examples=random_examples(12), deadline=None)
@given(review=REVIEWS)
def test_what_is_read_is_what_was_written(review: LaunchReview) -> None:
    content = Content(CONTENT.asked, review)

    read = open_bundle(bundled(content))

    assert read.content == content
    assert bundled(read.content) == bundled(content)


@settings(max_examples=random_examples(40, at_night=2000), deadline=None)
@given(data=st.data())
def test_any_other_byte_is_noticed(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(BUNDLE) - 1), "at")
    flipped = BUNDLE[at] ^ data.draw(st.integers(1, 255), "bits")

    assert is_noticed(BUNDLE[:at] + bytes([flipped]) + BUNDLE[at + 1 :])


@settings(max_examples=random_examples(15), deadline=None)
@given(data=st.data())
def test_any_other_value_is_noticed(data: st.DataObject) -> None:
    """Written as this program writes, so that nothing but its meaning is another one."""
    files = unpack(BUNDLE)
    documents = {name: json.loads(each) for name, each in files.items() if name.endswith(".json")}
    name = data.draw(st.sampled_from(sorted(name for name, each in documents.items() if each)))
    document = documents[name]
    place, key = data.draw(st.sampled_from(list(_places(document))))
    before = place[key]
    place[key] = data.draw(JSON.filter(lambda value: value != before))
    changed = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert is_noticed(pack({**files, name: changed.encode()}))


@settings(max_examples=random_examples(20), deadline=None)
@given(cut=st.integers(0, len(BUNDLE) - 1))
def test_a_bundle_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(LaunchBundleError):
        open_bundle(BUNDLE[:cut])


@settings(max_examples=random_examples(30), deadline=None)
@given(data=st.binary(max_size=2000))
def test_whatever_else_a_file_is_it_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(LaunchBundleError, match="This is no evidence bundle: it "):
        open_bundle(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "ends"),
        (bytes(2 * LARGEST_BYTES), "has more than 32 MB"),
        (gzip.compress(BUNDLE), "ustar|checksum|octal|ends"),
        (BUNDLE + bytes(512), "goes on after its end"),
        (BUNDLE + BUNDLE, "goes on after its end"),
        (archive(), "has no manifest.json"),
        (archive(member(b"./../review.json")), "which no file of a volume can have"),
        (archive(member(b"/etc/passwd")), "absolute path"),
        (archive(member(b"review.json")), "not relative"),
        (archive(member(b"./a\\b")), "which no bundle has"),
        (archive(member(b"./Review.json")), "which no bundle has"),
        (archive(member(b"./\x1b[2J")), "which no bundle has"),
        (archive(member(b"./sub/", headers.DIRECTORY)), "which no bundle has"),
        (archive(member(b"./a.json", headers.SYMLINK, link=b"/etc/passwd")), "which no bundle has"),
        (archive(member(b"./a", content=b"1"), member(b"./b", headers.HARD_LINK, link=b"./a")),
         "which no bundle has"),
        (archive(member(b"./a.json"), member(b"./a.json")), "twice or out of order"),
        (archive(member(b"./b.json"), member(b"./a.json")), "twice or out of order"),
        (archive(*(member(f"./a{number:04}".encode()) for number in range(600))), "more than 500"),
        (archive(member(b"./a.json").replace(b"0000644", b"0000755")), "checksum"),
        (archive(encode_header(Header(b"./a.json", headers.REGULAR, 0o600, 0, 0, 0))),
         "says more than its files do"),
        (archive(encode_header(Header(b"./a.json", headers.REGULAR, 0o644, 0, 0, 0,
                                      size_bytes=10**12))), "claims"),
        (pack({"manifest.json": b"{}"}), "manifest.json that cannot be read"),
        (pack({"manifest.json": b"[" * 100_000}), "manifest.json that cannot be read"),
        (pack({**unpack(BUNDLE), "other.json": b"{}"}), "has other.json, which no bundle has"),
        (pack({**unpack(BUNDLE), "leads.json": b"[ ]"}), "was not written by this program"),
        (pack({**unpack(BUNDLE), "leads.json": b"[]\n"}), "was not written by this program"),
        (pack({name: each for name, each in unpack(BUNDLE).items() if name != "signature.json"}),
         "has no signature.json"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(LaunchBundleError, match=said):
        open_bundle(data)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(LaunchBundleError):
            read_bundle(path)


def test_evidence_that_makes_it_too_large_is_refused_when_it_is_made() -> None:
    large = replace(CONTENT, evidence={"dependencies-scanned": bytes(LARGEST_BYTES)})

    with pytest.raises(LaunchBundleError, match="of at most 32 MB"):
        bundled(large)


def _places(value: Any) -> Any:
    """Every place in a document, as what holds it and its key."""
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield value, key
            yield from _places(value[key])
