"""How much of something an expensive test makes."""

from __future__ import annotations

from typing import Final

from hypothesis import settings

NIGHTLY: Final = "nightly"


def random_examples(usual: int, *, at_night: int = 200) -> int:
    """As many as usual, or more with `--hypothesis-profile=nightly` (`make nightly`)."""
    return at_night if settings.get_current_profile_name() == NIGHTLY else usual
