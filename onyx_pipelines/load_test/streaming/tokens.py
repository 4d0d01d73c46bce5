"""Finds answer tokens in a stream while it passes: server-sent events or one JSON object a line.

Heartbeats, search results and the end of a stream are no tokens.
"""

from __future__ import annotations

import json
from typing import Any, Final

# A longer line is no token of a chat, and is not kept.
_LONGEST_LINE: Final = 256 * 1024


class TokenCounter:
    """Feed it the bytes as they come."""

    def __init__(self) -> None:
        self.tokens = 0
        self._rest = b""

    def feed(self, data: bytes) -> bool:
        """Whether the first token was in these bytes."""
        before = self.tokens
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
        self.tokens += sum(_is_token(line) for line in lines)
        return before == 0 and self.tokens > 0


def _is_token(line: bytes) -> bool:
    text = line.strip()
    if text.startswith(b"data:"):
        text = text[len(b"data:") :].strip()
    if not text.startswith(b"{"):
        return False
    try:
        packet = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(packet, dict) and _has_text(packet)


def _has_text(packet: dict[str, Any]) -> bool:
    """Onyx's packets, its older ones, and those of OpenAI-compatible servers."""
    if isinstance(packet.get("obj"), dict):
        return _has_text(packet["obj"])
    if packet.get("answer_piece"):
        return True
    if packet.get("type") in {"message_start", "message_delta"}:
        return bool(packet.get("content"))
    choices = packet.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        delta = choices[0].get("delta")
        return isinstance(delta, dict) and bool(delta.get("content"))
    return False
