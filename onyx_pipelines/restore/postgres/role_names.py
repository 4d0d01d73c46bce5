"""Names of roles as people gave them. Pure.

They belong to the server, and each database reads them in its own encoding: one that was given in
UTF-8 is `MÃ¼ller` to a database in LATIN1. Facts keep what the database said, on both sides.
"""

from __future__ import annotations

import re
from typing import Final

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")


def in_their_letters(text: str, encoding: str) -> str:
    """`text` with names of roles in it, of a database of this encoding, whose words are in UTF-8
    where they can be that.

    Args:
        encoding: as PostgreSQL calls it. Of one that is not known here nothing is read otherwise.
    """
    codec = encoding.replace("WIN", "cp").replace("KOI8", "koi8-")

    def as_given(word: re.Match[str]) -> str:
        try:
            return word[0].encode(codec).decode()
        except (LookupError, UnicodeError):
            return word[0]

    return _NOT_ASCII.sub(as_given, text)
