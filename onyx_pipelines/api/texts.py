"""Text from callers: short, and only characters that can be seen, since people read it in logs,
pages and terminals. What cannot be seen can hide what is said, or turn its order round."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, Field

# Control, format (bidi too) and separator characters below U+10000, as every regular expression
# knows them; the schema tells them. Those above are left to `_only_visible`.
_UNSEEN: Final = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)
PATTERN: Final = rf"^[^{_UNSEEN}]*[^\s{_UNSEEN}][^{_UNSEEN}]*$"
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def _only_visible(text: str) -> str:
    if any(unicodedata.category(char) in _REFUSED for char in text):
        raise ValueError("it has characters that cannot be seen")
    return text


Reason = Annotated[
    str,
    Field(
        max_length=500,
        pattern=PATTERN,
        description="For people. No control or format characters.",
    ),
    AfterValidator(_only_visible),
]
