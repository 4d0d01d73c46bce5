"""What an upload needs on the server's disk is said where the server failed, and only there."""

from __future__ import annotations

import pytest

from onyx_pipelines.restore.qdrant.server import shortage

UNPACKING = "Service internal error: File IO error: failed to unpack `/x/0/segments/y.tar`"


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (500, UNPACKING, "its disk is probably full: "),
        (
            500,
            "Service internal error: No space left on device (os error 28)",
            "its disk is full: ",
        ),
        (507, "quota", "its disk is full: "),
        (500, "Service internal error: task panicked", ""),
    ],
)
def test_a_failure_of_the_server_tells_how_much_room_the_upload_needs(
    status: int, said: str, why: str
) -> None:
    found = shortage(status, said, 405_000_000)

    assert found is not None
    assert found[0] == why
    assert "972,000,000 bytes free at its peak, 2.4 times the snapshot" in found[1]


@pytest.mark.parametrize("status", [400, 403, 422, 429])
def test_a_refusal_is_not_about_room(status: int) -> None:
    assert shortage(status, UNPACKING, 405_000_000) is None
