"""A stand-in for an embedding model: words hashed into a vector, the same every time."""

from __future__ import annotations

import hashlib
import math
import re

_WORD = re.compile(r"\w+")


def embed(text: str, dimensions: int) -> list[float]:
    """A unit vector; texts that share words are nearer to each other."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [""]:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        at = int.from_bytes(digest[:4], "big") % dimensions
        vector[at] += 1.0 if digest[4] & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]
