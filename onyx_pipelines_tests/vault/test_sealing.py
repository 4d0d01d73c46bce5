"""Sealing and unsealing one object: the way there and back, tampering, failing stores."""

from __future__ import annotations

import gc
import hashlib
import os
import threading
import weakref
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import IntegrityError, StoreError
from onyx_pipelines.core.threads import begun
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.manifest import ObjectRecord
from onyx_pipelines.vault.sealing import SealedFigures, Sealer
from onyx_pipelines.vault.unsealing import Unsealer
from onyx_pipelines.vault.wrapping import new_mac_keyset, new_sealing_keyset
from onyx_pipelines_tests.vault.sets import drain
from onyx_pipelines_tests.waiting import wait_until

KEYSET = new_sealing_keyset()
PLACE = b"set/object"
MIB = 1 << 20


class Collected:
    """An object writer into memory that fails from call number `fail_at` on."""

    def __init__(self, fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.data = bytearray()
        self.calls = 0
        self.fail_at = fail_at
        self.error = error or StoreError("The disk is full.", remedy="Free space.")

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        self.calls += 1
        if self.fail_at is not None and self.calls >= self.fail_at:
            raise self.error
        self.data += data
        return len(data)


class Chunks:
    """An object reader from memory that fails after `fail_after` bytes."""

    def __init__(self, data: bytes, fail_after: int | None = None) -> None:
        self.data = data
        self.at = 0
        self.fail_after = fail_after

    def read(self, size: int, /) -> bytes:
        if self.fail_after is not None and self.at >= self.fail_after:
            raise StoreError("The connection was lost.", remedy="Repeat.", transient=True)
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece


def seal(*chunks: bytes, level: int = 1) -> tuple[bytes, SealedFigures]:
    destination = Collected()
    with Sealer(KEYSET, PLACE, destination, compression_level=level) as sealer:
        for chunk in chunks:
            sealer.write(chunk)
        figures = sealer.finish()
    return bytes(destination.data), figures


def seal_into(destination: Collected, plain: bytes) -> None:
    with Sealer(KEYSET, PLACE, destination) as sealer:
        sealer.write(plain)
        sealer.finish()


def record_of(plain: bytes, sealed: bytes = b"") -> ObjectRecord:
    return ObjectRecord(
        key="volumes/uploads.tar.zst.sealed",
        name="uploads",
        component=Component.VOLUMES,
        media_type="application/x-tar",
        compression_level=1,
        plain_bytes=len(plain),
        plain_sha256=hashlib.sha256(plain).hexdigest(),
        sealed_bytes=len(sealed),
        sealed_sha256=hashlib.sha256(sealed).hexdigest(),
    )


def unseal(sealed: bytes, plain: bytes, read_size: int = MIB, place: bytes = PLACE) -> bytes:
    return drain(Unsealer(Chunks(sealed), KEYSET, place, record_of(plain)), read_size)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=3000), max_size=12), st.integers(1, 5000))
def test_any_bytes_in_any_pieces_come_back_the_same(chunks: list[bytes], read_size: int) -> None:
    sealed, _ = seal(*chunks)
    plain = b"".join(chunks)

    assert unseal(sealed, plain, read_size) == plain


@pytest.mark.parametrize("size", [0, 1, MIB // 4 - 1, MIB // 4, MIB, 3 * MIB + 7])
def test_sizes_around_the_buffers_come_back_the_same(size: int) -> None:
    plain = os.urandom(size)

    sealed, figures = seal(plain)

    assert unseal(sealed, plain) == plain
    assert figures == SealedFigures(
        size, hashlib.sha256(plain).hexdigest(), len(sealed), hashlib.sha256(sealed).hexdigest()
    )


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_taken_and_may_be_reused(kind: type) -> None:
    buffer = bytearray(os.urandom(2 * MIB))
    plain = bytes(buffer)
    destination = Collected()
    with Sealer(KEYSET, PLACE, destination) as sealer:
        assert sealer.write(kind(buffer)) == len(plain)
        buffer[:] = bytes(len(buffer))
        sealer.finish()

    assert unseal(bytes(destination.data), plain) == plain


def test_a_small_view_of_wider_items_counts_bytes() -> None:
    plain = os.urandom(64)
    destination = Collected()
    with Sealer(KEYSET, PLACE, destination) as sealer:
        assert sealer.write(memoryview(plain).cast("I")) == 64
        sealer.finish()

    assert unseal(bytes(destination.data), plain) == plain


def test_the_hash_of_what_was_taken_so_far_is_known_before_the_end() -> None:
    small, large = os.urandom(1000), os.urandom(2 * MIB)

    with Sealer(KEYSET, PLACE, Collected()) as sealer:
        for chunk in (small, large, small):
            sealer.write(chunk)
        so_far = sealer.sha256()
        sealer.write(b"more")
        figures = sealer.finish()

    assert so_far == hashlib.sha256(small + large + small).hexdigest()
    assert figures.plain_sha256 == hashlib.sha256(small + large + small + b"more").hexdigest()


@pytest.mark.parametrize("level", [1, 3, 19])
def test_every_level_comes_back(level: int) -> None:
    plain = b"some text " * 5000

    sealed, _ = seal(plain, level=level)

    assert len(sealed) < len(plain) / 10
    assert unseal(sealed, plain) == plain


@pytest.mark.parametrize("level", [0, 20, -1])
def test_a_level_that_would_need_too_much_memory_is_refused(level: int) -> None:
    with pytest.raises(ValueError, match="not one of 1 to 19"):
        Sealer(KEYSET, PLACE, Collected(), compression_level=level)


SAMPLE = os.urandom(20_000)
SEALED_SAMPLE, _ = seal(SAMPLE)


@settings(deadline=None, max_examples=75)
@given(st.integers(0, len(SEALED_SAMPLE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(position: int, difference: int) -> None:
    damaged = bytearray(SEALED_SAMPLE)
    damaged[position] ^= difference

    with pytest.raises(IntegrityError, match=r"volumes/uploads\.tar\.zst\.sealed"):
        unseal(bytes(damaged), SAMPLE)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, len(SEALED_SAMPLE) - 1))
def test_any_truncation_is_found(length: int) -> None:
    with pytest.raises(IntegrityError, match="uploads"):
        unseal(SEALED_SAMPLE[:length], SAMPLE)


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=1, max_size=200))
def test_anything_appended_is_found(tail: bytes) -> None:
    with pytest.raises(IntegrityError, match="uploads"):
        unseal(SEALED_SAMPLE + tail, SAMPLE)


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_a_cut_between_two_segments_is_found(segments: int) -> None:
    plain = os.urandom(4 * MIB)
    sealed, _ = seal(plain)

    with pytest.raises(IntegrityError, match="uploads"):
        unseal(sealed[: segments * MIB], plain)


def test_two_exchanged_segments_are_found() -> None:
    plain = os.urandom(4 * MIB)
    sealed, _ = seal(plain)
    exchanged = sealed[:MIB] + sealed[2 * MIB : 3 * MIB] + sealed[MIB : 2 * MIB] + sealed[3 * MIB :]

    with pytest.raises(IntegrityError, match="uploads"):
        unseal(exchanged, plain)


def test_an_object_moved_to_another_place_does_not_open() -> None:
    with pytest.raises(IntegrityError, match="altered or cut, or is another object"):
        unseal(SEALED_SAMPLE, SAMPLE, place=b"set/elsewhere")


def test_another_key_does_not_open() -> None:
    reader = Unsealer(Chunks(SEALED_SAMPLE), new_sealing_keyset(), PLACE, record_of(SAMPLE))

    with pytest.raises(IntegrityError, match="altered or cut"):
        reader.read(1)


def test_a_keyset_of_another_kind_is_named_as_such() -> None:
    with pytest.raises(IntegrityError, match="its keyset does not fit"):
        Unsealer(Chunks(SEALED_SAMPLE), new_mac_keyset(), PLACE, record_of(SAMPLE))


def test_bytes_that_are_not_the_recorded_ones_are_found_before_the_last_is_given() -> None:
    reader = Unsealer(Chunks(SEALED_SAMPLE), KEYSET, PLACE, record_of(bytes(len(SAMPLE))))
    reader.read(len(SAMPLE) - 1)

    with pytest.raises(IntegrityError, match="another SHA-256"):
        reader.read(1)


@pytest.mark.parametrize("recorded", [0, 1, 19_999, 20_001])
def test_more_or_fewer_plain_bytes_than_recorded_are_found(recorded: int) -> None:
    with pytest.raises(IntegrityError, match="plain bytes"):
        unseal(SEALED_SAMPLE, bytes(recorded))


def test_a_decompression_bomb_gives_no_more_than_was_recorded() -> None:
    sealed, _ = seal(*[bytes(MIB)] * 300)
    reader = Unsealer(Chunks(sealed), KEYSET, PLACE, record_of(bytes(1000)))

    assert len(sealed) < MIB
    with pytest.raises(IntegrityError, match="more than 1000 plain bytes"):
        reader.read(300 * MIB)


def test_after_the_end_there_is_only_the_end() -> None:
    reader = Unsealer(Chunks(SEALED_SAMPLE), KEYSET, PLACE, record_of(SAMPLE))

    assert drain(reader) == SAMPLE
    assert reader.read(10) == b""


def test_reading_without_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a size"):
        Unsealer(Chunks(SEALED_SAMPLE), KEYSET, PLACE, record_of(SAMPLE)).read(-1)


@pytest.mark.parametrize("fail_after", [0, MIB, 3 * MIB])
def test_an_error_of_the_reading_store_passes_through_as_it_is(fail_after: int) -> None:
    plain = os.urandom(5 * MIB)
    sealed, _ = seal(plain)
    reader = Unsealer(Chunks(sealed, fail_after), KEYSET, PLACE, record_of(plain))

    with pytest.raises(StoreError, match="connection was lost") as caught:
        drain(reader)
    assert caught.value.transient
    with pytest.raises(ValueError, match="earlier read"):
        reader.read(1)


@pytest.mark.parametrize("fail_at", [1, 2, 9, 17])
def test_an_error_of_the_writing_store_is_raised_as_it_is(fail_at: int) -> None:
    destination = Collected(fail_at)
    plain = os.urandom(2 * MIB)

    with pytest.raises(StoreError) as caught:
        seal_into(destination, plain)

    assert caught.value is destination.error
    assert destination.calls == fail_at


def test_an_interrupt_while_writing_is_raised_as_it_is() -> None:
    destination = Collected(1, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        seal_into(destination, os.urandom(2 * MIB))


def test_an_error_that_the_producer_ignores_still_fails_the_object() -> None:
    sealer = Sealer(KEYSET, PLACE, Collected(1))
    with pytest.raises(StoreError):
        # More than may wait for the threads.
        sealer.write(os.urandom(16 * MIB))

    with pytest.raises(StoreError, match="disk is full"):
        sealer.write(b"more")
    with pytest.raises(StoreError, match="disk is full"):
        sealer.finish()
    sealer.abandon()


class Hanging:
    """A destination that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def write(self, data: bytes) -> int:
        self.goes_on.wait()
        return len(data)


@pytest.mark.parametrize("pieces", [64, 70, 76, 79])
def test_whoever_gives_up_while_the_destination_hangs_waits_for_nothing_more(pieces: int) -> None:
    """Tink writes its last segment when it is freed."""
    hanging = Hanging()

    def give_up() -> None:
        sealer = Sealer(new_sealing_keyset(), b"set/a", hanging)
        for _ in range(pieces):
            sealer.write(os.urandom(64 * 1024))
        sealer.abandon(0.05)

    try:
        begun(give_up, "gives up").result(timeout=30)
    finally:
        hanging.goes_on.set()


@pytest.fixture
def old_garbage_stays() -> None:
    """Whatever the process has made so far: to look through it takes a second."""
    gc.freeze()


@pytest.mark.usefixtures("old_garbage_stays")
def test_an_abandoned_object_gets_no_end() -> None:
    plain = os.urandom(3 * MIB)
    destination = Collected()
    with Sealer(KEYSET, PLACE, destination) as sealer:
        sealer.write(plain)
    written = len(destination.data)

    del sealer
    gc.collect()

    assert len(destination.data) == written
    with pytest.raises(IntegrityError):
        unseal(bytes(destination.data), plain)


def test_a_finished_object_takes_no_more() -> None:
    with Sealer(KEYSET, PLACE, Collected()) as sealer:
        sealer.finish()

        with pytest.raises(ValueError, match="finished or abandoned"):
            sealer.write(b"more")


@pytest.mark.usefixtures("old_garbage_stays")
def test_a_failed_reader_is_freed() -> None:
    reader = Unsealer(Chunks(SEALED_SAMPLE, 0), KEYSET, PLACE, record_of(SAMPLE))
    with pytest.raises(StoreError):
        reader.read(1)
    freed = weakref.ref(reader)

    del reader
    gc.collect()

    assert freed() is None


@pytest.mark.usefixtures("old_garbage_stays")
def test_no_thread_is_left_after_success_or_failure() -> None:
    seal(os.urandom(MIB))
    gc.collect()
    before = {thread.name for thread in Path("/proc/self/task").iterdir()}

    seal(os.urandom(2 * MIB))
    with pytest.raises(StoreError):
        seal_into(Collected(3), os.urandom(8 * MIB))
    gc.collect()

    # The kernel lists a thread for a moment after it has ended.
    wait_until(
        lambda: {thread.name for thread in Path("/proc/self/task").iterdir()} <= before,
        "no thread is left",
    )
