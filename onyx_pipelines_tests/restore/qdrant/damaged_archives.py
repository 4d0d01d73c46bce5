"""Damages a server's archive: cut, a bit flipped, a member gone, in the outer or an inner one."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A member: where its header, its content and the next member begin."""

    name: str
    header: int
    content: int
    end: int


@dataclass(frozen=True)
class Damaged:
    """An archive that is not as it was, and what was done to it."""

    kind: str
    what: str
    archive: bytes


def cut(archive: bytes, chance: random.Random) -> tuple[bytes, str]:
    kept = chance.randrange(len(archive))
    return archive[:kept], f"after {kept} bytes"


def flip(archive: bytes, chance: random.Random) -> tuple[bytes, str]:
    """One bit of a member, header or content."""
    span = chance.choice(spans(archive))
    position = chance.randrange(span.header, span.end)
    changed = bytearray(archive)
    changed[position] ^= 1 << chance.randrange(8)
    part = "header" if position < span.header + 512 else "content"
    return bytes(changed), f"{part} of {span.name}"


def drop(archive: bytes, chance: random.Random) -> tuple[bytes, str]:
    span = chance.choice(spans(archive))
    return archive[: span.header] + archive[span.end :], span.name


WAYS: dict[str, Callable[[bytes, random.Random], tuple[bytes, str]]] = {
    "cut": cut,
    "flip": flip,
    "drop": drop,
}


def damaged(archive: bytes, chance: random.Random) -> Damaged:
    """In a way that is always different from what was."""
    way = chance.choice(sorted(WAYS))
    if chance.random() < 0.5:
        other, what = WAYS[way](archive, chance)
        return Damaged(f"outer {way}", what, other)
    span = chance.choice([each for each in spans(archive) if each.name.endswith(".tar")])
    inner = archive[span.content : span.end]
    other, what = WAYS[way](inner, chance)
    return Damaged(f"inner {way}", f"{what} in {span.name}", with_content(archive, span, other))


def spans(archive: bytes) -> list[Span]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        members = opened.getmembers()
        ends = [*(each.offset for each in members[1:]), opened.offset]
    return [
        Span(each.name, each.offset, each.offset_data, end)
        for each, end in zip(members, ends, strict=True)
    ]


def with_content(archive: bytes, span: Span, content: bytes) -> bytes:
    """Another content of that member, with a header that fits."""
    header = bytearray(archive[span.header : span.content])
    header[124:136] = b"%011o\0" % len(content)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    padding = bytes(-len(content) % 512)
    return archive[: span.header] + bytes(header) + content + padding + archive[span.end :]
