"""Errors meant for a person survive process boundaries and say what to do."""

from __future__ import annotations

import copy
import pickle

import pytest

from onyx_pipelines.core import errors
from onyx_pipelines.core.errors import IntegrityError, OnyxError, SourceError

_KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OnyxError)
]


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_sent_to_another_process_is_the_same(kind, duplicate) -> None:
    error = kind("The disk is full.", remedy="Free some space.", transient=True)

    twin = duplicate(error)

    assert type(twin) is kind
    assert (twin.what, twin.remedy, twin.transient) == (
        "The disk is full.",
        "Free some space.",
        True,
    )
    assert str(twin) == "The disk is full. Free some space."


def test_nothing_is_retried_unless_it_says_so() -> None:
    assert SourceError("x", remedy="y").transient is False


def test_a_remedy_must_be_given() -> None:
    with pytest.raises(TypeError, match="remedy"):
        SourceError("x")  # type: ignore[call-arg]  # what mypy refuses is the test


def test_a_bad_answer_and_no_answer_have_different_exit_codes() -> None:
    assert IntegrityError("x", remedy="y").exit_code == 1
    assert SourceError("x", remedy="y").exit_code == 2
