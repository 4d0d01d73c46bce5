"""One zstd frame whatever it is given: what gets smaller is compressed, the rest is stored."""

from __future__ import annotations

import os
import random
import struct

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.vault.compression import Compressor, Pace

MIB = 1 << 20
# So that little data changes hands often.
QUICK = Pace(trial_bytes=4096, again_bytes=16384)
NOISE = random.Random(7).randbytes(64 * 1024)
TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(2000))

PARTS = st.lists(
    st.tuples(
        st.sampled_from([NOISE, TEXT, bytes(70_000), b"ab" * 40_000, NOISE[:3000] * 20]),
        st.integers(0, 9000),
        st.integers(0, 40_000),
    ),
    max_size=8,
)


def compressed(pieces: list[bytes], *, level: int = 1, threads: int = 1, pace: Pace) -> bytes:
    compressor = Compressor(level=level, threads=threads, pace=pace)
    frame = b"".join([compressor.compress(memoryview(piece)) for piece in pieces])
    return frame + compressor.finish()


def decompressed(frame: bytes) -> bytes:
    """As every release and docs/format.md read it: one frame, and nothing behind it."""
    whole = zstandard.ZstdDecompressor().decompressobj()
    plain = whole.decompress(frame)
    assert whole.eof
    assert whole.unused_data == b""
    return plain


def block_types(frame: bytes) -> list[int]:
    """0 raw, 1 one byte repeated, 2 compressed (RFC 8878, 3.1.1.2)."""
    found, at, is_last = [], zstandard.frame_header_size(frame), False
    while not is_last:
        header = int.from_bytes(frame[at : at + 3], "little")
        is_last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        found.append(kind)
        at += 3 + (1 if kind == 1 else size)
    assert at == len(frame)
    return found


def vectors(count: int) -> bytes:
    """Of float32, as an engine keeps them."""
    chance = random.Random(1)
    return struct.pack(f"<{count}f", *(chance.gauss(0, 1) for _ in range(count)))


@settings(deadline=None, max_examples=50)
@given(parts=PARTS, level=st.sampled_from([1, 3]), threads=st.sampled_from([1, 4]))
def test_any_mixture_comes_back_out_of_one_frame(
    parts: list[tuple[bytes, int, int]], level: int, threads: int
) -> None:
    # The same bytes before and behind what is stored: whoever refers back there is found out.
    pieces = [whole[start : start + length] for whole, start, length in parts] * 3
    whole = b"".join(pieces)

    frame = compressed(pieces, level=level, threads=threads, pace=QUICK)

    assert decompressed(frame) == whole


@pytest.mark.parametrize("threads", [1, 4])
def test_large_jobs_on_both_sides_of_stored_bytes_come_back(threads: int) -> None:
    noise = os.urandom(3 * MIB)
    whole = TEXT * 60 + noise + TEXT * 60 + noise[: 2 * MIB] + TEXT * 60
    pieces = [whole[at : at + 300_000] for at in range(0, len(whole), 300_000)]

    frame = compressed(pieces, threads=threads, pace=Pace(MIB // 2, 2 * MIB))

    assert decompressed(frame) == whole
    # How far the threads lag decides whether the text behind the noise is stored for a while.
    assert len(frame) < 11 * MIB < len(whole)


def test_what_gains_nothing_is_stored_and_becomes_hardly_larger() -> None:
    noise = os.urandom(8 * MIB)

    frame = compressed([noise], pace=Pace())

    assert len(frame) < len(noise) * 1.0001
    assert set(block_types(frame)) == {0}


def test_vectors_are_stored_after_one_trial() -> None:
    whole = vectors(4 * MIB // 4)
    pieces = [whole[at : at + MIB // 4] for at in range(0, len(whole), MIB // 4)]

    kinds = block_types(compressed(pieces, pace=Pace()))

    assert decompressed(compressed(pieces, pace=Pace())) == whole
    assert kinds.index(0) <= MIB // (128 * 1024)
    assert set(kinds[kinds.index(0) :]) == {0}


def test_text_behind_noise_is_compressed_and_noise_behind_text_is_stored() -> None:
    pieces = [
        *[NOISE[at : at + 4096] for at in range(0, len(NOISE), 4096)],
        *[TEXT[at : at + 4096] for at in range(0, len(TEXT), 4096)],
        *[NOISE[at : at + 4096] for at in range(0, len(NOISE), 4096)],
    ]

    frame = compressed(pieces, pace=QUICK)

    missed = 3 * QUICK.again_bytes
    assert len(frame) < 2 * len(NOISE) + missed + len(TEXT) / 4
    assert decompressed(frame) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 128 * 1024, 128 * 1024 + 1])
def test_sizes_around_the_limits_come_back(size: int) -> None:
    noise = os.urandom(size)

    assert decompressed(compressed([noise], pace=QUICK)) == noise
    assert decompressed(compressed([NOISE, noise], pace=QUICK)) == NOISE + noise


def test_without_threads_there_are_no_jobs() -> None:
    with pytest.raises(ValueError, match="no jobs"):
        Compressor(level=1, threads=0)
