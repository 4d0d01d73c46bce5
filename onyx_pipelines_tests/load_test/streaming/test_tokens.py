from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.load_test.streaming.tokens import TokenCounter

TOKENS = (
    b'data: {"type": "message_delta", "content": "a"}\n\n',
    b'{"answer_piece": "a"}\n',
    b'{"ind": 1, "obj": {"type": "message_start", "content": "a"}}\n',
    b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n',
)
OTHERS = (
    b": comment\n\n",
    b'data: {"type": "chat_heartbeat"}\n\n',
    b'{"type": "search_tool_documents_delta", "documents": []}\n',
    b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n',
    b"event: server-timing\ndata: total;dur=1\n\n",
    b"data: [DONE]\n\n",
    b"{broken\n",
    b'{"obj": ' * 3_000 + b"\n",
    b'{"type": "message_delta", "content": ""}\n',
)


@pytest.mark.parametrize("data", TOKENS)
def test_a_piece_of_an_answer_is_a_token(data: bytes) -> None:
    counter = TokenCounter()

    assert counter.feed(data)
    assert counter.tokens == 1


@pytest.mark.parametrize("data", OTHERS)
def test_all_else_is_none(data: bytes) -> None:
    counter = TokenCounter()

    assert not counter.feed(data)
    assert counter.tokens == 0


@given(st.lists(st.sampled_from([*TOKENS, *OTHERS]), max_size=12), st.data())
def test_how_the_bytes_are_cut_makes_no_difference(
    pieces: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    counter = TokenCounter()

    firsts = sum(
        counter.feed(stream[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    )

    assert counter.tokens == sum(piece in TOKENS for piece in pieces)
    assert firsts == (1 if counter.tokens else 0)
