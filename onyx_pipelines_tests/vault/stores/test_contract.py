"""What every store promises, asked of each kind: two directories, two S3 servers, and buckets that
keep versions, or lock every object by a retention of their own."""

from __future__ import annotations

import random
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.sources.source import object_path
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.stores.s3 import S3Location
from onyx_pipelines.vault.stores.store import Store, is_key
from onyx_pipelines_tests.vault.stores.moto_server import BucketKind, MotoServer

pytestmark = pytest.mark.slow

PART = 8 * 1024 * 1024
SAFE = "abcXYZ019_.=~%+@, -"
EXAMPLES = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

parts = st.text(SAFE, min_size=1, max_size=24).filter(lambda part: not part.startswith("."))
keys = st.builds("/".join, st.lists(parts, min_size=1, max_size=4))


BUCKETS: tuple[BucketKind, ...] = ("versioned", "locking")
# A bucket that locks has versions, too.
STORES = (
    *("local", "file", "seaweedfs", "moto locking"),
    pytest.param("moto versioned", marks=pytest.mark.thorough),
)
# Of moto, pages are another test's; and it says of every unfinished upload that it began in 2010.
WITHOUT_MOTO = pytest.mark.parametrize("store", ["local", "file", "seaweedfs"], indirect=True)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    kind: str = request.param
    if kind == "local":
        return open_stores(Settings(backup_dir=tmp_path))[0]
    if kind == "file":
        return _second_directory(tmp_path)
    if kind == "seaweedfs":
        return _in_bucket(request.getfixturevalue("s3_location"), tmp_path)
    moto: MotoServer = request.getfixturevalue("moto")
    bucket = next(each for each in BUCKETS if kind.endswith(each))
    return _in_bucket(moto.location(bucket, f"test/{uuid.uuid4()}"), tmp_path)


def _second_directory(tmp_path: Path) -> Store:
    folder = tmp_path / "another disk"
    folder.mkdir()
    return open_stores(
        load_settings({"backup_dir": tmp_path / "first", "offsite_url": folder.as_uri()})
    )[1]


def _in_bucket(location: S3Location, tmp_path: Path) -> Store:
    _, opened = open_stores(
        load_settings(
            {
                "state_dir": tmp_path,
                "offsite_url": f"s3://{location.bucket}/{location.prefix}",
                "s3_endpoint_url": location.endpoint_url,
                "s3_access_key_id": location.access_key_id,
                "s3_secret_access_key": location.secret_access_key,
                "stall_timeout_s": 20,
            }
        )
    )
    return opened


def keys_in(store: Store, prefix: str = "") -> list[str]:
    return [each.key for each in store.list(prefix)]


def read(store: Store, key: str, chunk: int) -> bytes:
    with store.open(key) as reader:
        return b"".join(iter(lambda: reader.read(chunk), b""))


def write(store: Store, key: str, *pieces: bytes) -> None:
    with store.create(key) as writer:
        for piece in pieces:
            assert writer.write(piece) == len(piece)


def write_and_fail(store: Store, key: str, size: int, problem: type[BaseException]) -> None:
    with store.create(key) as writer:
        writer.write(bytes(size))
        raise problem


def test_what_was_put_is_got(store: Store) -> None:
    store.put("sets/a/manifest.json", b"{}")

    assert store.get("sets/a/manifest.json") == b"{}"


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART + 12345])
def test_a_stream_of_any_length_comes_back(store: Store, size: int) -> None:
    data = random.Random(size).randbytes(size)

    write(store, "a/stream", data[: size // 3], b"", data[size // 3 :])

    assert read(store, "a/stream", 1_000_003) == data
    assert store.stat("a/stream").size_bytes == size  # type: ignore[union-attr]  # None fails the test


def test_a_writer_takes_bytearrays_and_views_of_wider_items(store: Store) -> None:
    with store.create("a") as writer:
        writer.write(bytearray(b"12"))
        writer.write(memoryview(b"34567890").cast("I"))

    assert store.get("a") == b"1234567890"


def test_reads_are_full_until_the_end_and_empty_after_it(store: Store) -> None:
    store.put("a", b"0123456789")

    with store.open("a") as reader:
        pieces = [reader.read(4), reader.read(0), reader.read(4), reader.read(4), reader.read(4)]

    assert pieces == [b"0123", b"", b"4567", b"89", b""]


def test_a_reader_wants_a_size(store: Store) -> None:
    store.put("a", b"0123456789")

    with store.open("a") as reader, pytest.raises(ValueError, match="size"):
        reader.read(-1)


def test_putting_again_replaces(store: Store) -> None:
    store.put("a/b", b"a longer first version")
    store.put("a/b", b"second")

    assert store.get("a/b") == b"second"
    assert keys_in(store) == ["a/b"]


@pytest.mark.parametrize("size", [0, 100, 2 * PART])
def test_an_object_is_there_only_after_the_block(store: Store, size: int) -> None:
    with store.create("a/new") as writer:
        writer.write(bytes(size))
        during = (keys_in(store), store.stat("a/new"))

    assert during == ([], None)
    assert keys_in(store) == ["a/new"]


@pytest.mark.parametrize("size", [0, 100, 2 * PART])
@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_nothing(
    store: Store, size: int, problem: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that is busy is no server that hangs.
    monkeypatch.setattr("onyx_pipelines.core.threads._PATIENCE_WHEN_ENDED_S", 600)
    with pytest.raises(problem):
        write_and_fail(store, "a/new", size, problem)

    assert keys_in(store) == []
    assert store.sweep("", older_than=datetime.now(UTC) + timedelta(hours=1)) == []


def test_a_block_that_fails_leaves_the_earlier_object(store: Store) -> None:
    store.put("a", b"earlier")

    with pytest.raises(RuntimeError):
        write_and_fail(store, "a", PART + 1, RuntimeError)

    assert store.get("a") == b"earlier"


def test_readers_keep_the_object_that_they_opened(store: Store) -> None:
    store.put("a", b"old" * 1000)

    with store.open("a") as reader:
        head = reader.read(10)
        store.put("a", b"new")
        rest = reader.read(5000)

    assert head + rest == b"old" * 1000


def test_an_absent_object_is_said_to_be_absent(store: Store) -> None:
    store.put("a/b", b"")

    assert store.stat("a/c") is None
    assert store.stat("a/b/c") is None
    assert store.stat("a") is None
    with pytest.raises(NotFoundError, match="a/c"):
        store.get("a/c")
    with pytest.raises(NotFoundError), store.open("a/b/c"):
        pass


def test_a_folder_is_no_object(store: Store) -> None:
    store.put("a/b", b"")

    with pytest.raises(NotFoundError):
        store.get("a")


def test_deleting_what_is_absent_is_fine(store: Store) -> None:
    store.put("a/b", b"x")

    store.delete("a/c")
    store.delete("z/z/z")
    store.delete("a/b")
    store.delete("a/b")

    assert keys_in(store) == []


def test_a_listing_is_sorted_by_the_whole_key(store: Store) -> None:
    written = ["o/a/x", "o/a-b/x", "o/a b", "o/a+b", "o/a%20b", "o/a=7e~", "o/a.b/c", "o/A/x", "oo"]
    for key in written:
        store.put(key, key.encode())

    listed = list(store.list("o"))

    assert [each.key for each in listed] == sorted(written)
    assert [each.size_bytes for each in listed] == [len(key) for key in sorted(written)]


def test_a_listing_takes_any_beginning_of_a_key(store: Store) -> None:
    for key in ("sets/aa/1", "sets/ab/1", "sets/b", "sett"):
        store.put(key, b"")

    assert keys_in(store, "sets/a") == ["sets/aa/1", "sets/ab/1"]
    assert keys_in(store, "sets/aa/") == ["sets/aa/1"]
    assert keys_in(store, "sets/c") == []
    assert keys_in(store, "nothing/here/") == []


@WITHOUT_MOTO
def test_a_listing_of_many_pages_is_complete(store: Store) -> None:
    written = [f"n/{number:04}" for number in range(1010)]
    threads = [
        threading.Thread(target=lambda s=start: [store.put(k, b"") for k in written[s::4]])
        for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert keys_in(store, "n/") == written


def test_times_are_aware_and_recent(store: Store) -> None:
    store.put("a", b"")

    (listed,) = store.list("")

    assert abs(datetime.now(UTC) - listed.modified_at) < timedelta(minutes=1)
    assert store.stat("a") == listed


def test_a_large_object_is_not_read_whole(store: Store) -> None:
    store.put("a", bytes(1001))

    assert len(store.get("a", limit_bytes=1001)) == 1001
    with pytest.raises(StoreError, match="larger than 1000 bytes"):
        store.get("a", limit_bytes=1000)


@WITHOUT_MOTO
def test_sweeping_never_removes_objects_or_fresh_leftovers(store: Store) -> None:
    store.put("sets/a", b"x")
    with store.create("sets/b") as writer:
        writer.write(bytes(2 * PART))
        swept = store.sweep("sets/", older_than=datetime.now(UTC) - timedelta(hours=1))

    assert swept == []
    assert keys_in(store) == ["sets/a", "sets/b"]


@pytest.mark.parametrize(
    "key",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "./a", "a/.hidden", "a\\b",
     "a\0b", "a\nb", "ä", "a*", "x" * 241, "/".join(["x" * 100] * 10)],
)  # fmt: skip
def test_a_key_that_could_leave_the_store_is_refused(store: Store, key: str) -> None:
    for use in (store.get, store.stat, store.delete, lambda k: store.put(k, b"")):
        with pytest.raises(ValueError, match="not a key"):
            use(key)


@given(key=keys, data=st.binary(max_size=4096), chunk=st.integers(1, 700))
@EXAMPLES
def test_awkward_keys_and_bytes_come_back(store: Store, key: str, data: bytes, chunk: int) -> None:
    folder = str(uuid.uuid4())
    write(store, f"{folder}/{key}", data)

    assert read(store, f"{folder}/{key}", chunk) == data
    assert keys_in(store, f"{folder}/") == [f"{folder}/{key}"]
    store.delete(f"{folder}/{key}")
    assert keys_in(store, f"{folder}/") == []


@given(names=st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=4))
@EXAMPLES
def test_every_path_that_a_source_makes_is_a_key(store: Store, names: list[str]) -> None:
    key = "sets/" + object_path(*names, suffix=".dump.zst.sealed")

    store.put(key, b"x")

    assert is_key(key)
    assert store.get(key) == b"x"


def test_two_writers_of_one_key_leave_one_whole_object(store: Store) -> None:
    with store.create("a") as first, store.create("a") as second:
        first.write(b"1" * PART)
        second.write(b"2" * PART)
        first.write(b"1" * PART)
        second.write(b"2" * PART)

    assert len(set(store.get("a"))) == 1
    assert store.stat("a").size_bytes == 2 * PART  # type: ignore[union-attr]  # None fails the test


def test_the_address_holds_no_credentials(store: Store) -> None:
    assert store.url.startswith(("file:///", "s3://onyx-backups"))
    assert "@" not in store.url
