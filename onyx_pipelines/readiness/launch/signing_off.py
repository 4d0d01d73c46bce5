"""A sign-off: who answers for which state of the checklist. Pure.

It binds a role, a name and a signature to a commit, to the checklist and to what came of each item.
Automatic items are looked at again and again, so of them the verdict is bound; of what a person has
shown, the evidence itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StringConstraints

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import list_text, moment_text
from onyx_pipelines.readiness.launch.checklist import Checklist, Role
from onyx_pipelines.readiness.launch.verdicts import ItemResult, LaunchReview, Verdict
from onyx_pipelines.vault.records import Record, UtcDatetime, canonical_json
from onyx_pipelines.vault.signing import Signature, SigningKey

SIGNING_ROLES: Final = (Role.ENGINEERING, Role.OPERATIONS, Role.PRODUCT)
PLACE: Final = b"onyx-launch/1/signoff"
# Of what keeps somebody from signing, in one sentence.
_NAMED: Final = 5

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class SignOffError(OnyxError):
    """A launch cannot be signed off as asked, or a sign-off cannot be found or read.

    Cause: blocking items that have not passed and are not named, a commit that is not known,
        a role that leads with keys of their own sign for.
    Remedy: mend what blocks, or name it with `--despite`; `onyx launch signoffs` shows what there
        is.
    """

    code = "launch-sign-off"


class SignedItem(Record):
    """`given_sha256`: of what a person has shown; None: it was looked at."""

    item_id: str
    verdict: Verdict
    given_sha256: Digest | None = None


class Statement(Record):
    """What is signed.

    Args:
        review_sha256: of the whole review as it was shown, every fact in it.
        despite: blocking items that had not passed.
    """

    format: Literal["onyx-launch-signoff"] = "onyx-launch-signoff"
    format_version: Literal[1] = 1
    role: Role
    name: Name
    stack: str
    commit: Annotated[str, Field(min_length=1)]
    checklist_sha256: Digest
    review_sha256: Digest
    items: tuple[SignedItem, ...]
    despite: tuple[str, ...] = ()

    @property
    def body(self) -> bytes:
        """Its bytes under a signature."""
        return canonical_json(self.model_dump(mode="json"))


class SignOff(Record):
    """A statement under somebody's signature, whose `signed_at` is its date."""

    statement: Statement
    signature: Signature

    def __str__(self) -> str:
        who = f"{self.statement.name} ({self.statement.role})"
        return f"{who}, {moment_text(self.signature.signed_at)}"


class Revocation(Record):
    """Who took it back, and why."""

    at: UtcDatetime
    by: str
    reason: str


def digest(model: BaseModel) -> str:
    """SHA-256 of its canonical JSON."""
    return hashlib.sha256(canonical_json(model.model_dump(mode="json"))).hexdigest()


def statement_of(
    review: LaunchReview,
    today: LaunchReview,
    asked: Checklist,
    role: Role,
    name: str,
    despite: Collection[str],
) -> Statement:
    """What that role would sign.

    Args:
        review: as everything was looked at.
        today: the same judged now: what has expired is no pass.
        despite: the blocking items that have not passed, each of them and no other.

    Raises:
        SignOffError: something else blocks than was named, or it is not known what goes live.
    """
    if role not in SIGNING_ROLES:
        raise SignOffError(
            f"{role} does not sign.", remedy=f"Those who sign are {list_text(SIGNING_ROLES)}."
        )
    if not review.commit:
        raise SignOffError(
            "It is not known which commit goes live, so nothing can be signed.",
            remedy="Name it, and look again with `onyx launch check` (docs/LAUNCH.md).",
        )
    _refuse_other(set(despite), [item.id for item, _ in today.blockers(asked)])
    return Statement(
        role=role,
        name=name,
        stack=review.stack,
        commit=review.commit,
        checklist_sha256=digest(asked),
        review_sha256=digest(review),
        items=tuple(
            SignedItem(item_id=item.id, verdict=result.verdict, given_sha256=given(asked, result))
            for item in asked.items
            if (result := today.result(item))
        ),
        despite=tuple(sorted(despite)),
    )


def sign(statement: Statement, key: SigningKey, at: datetime) -> SignOff:
    """Put the key's signature under it."""
    return SignOff(statement=statement, signature=key.sign(PLACE, statement.body, at=at))


def given(asked: Checklist, result: ItemResult) -> str | None:
    """SHA-256 of what a person has shown; None: the item is looked at."""
    item = asked.item(result.item_id)
    if item is None or item.is_automatic:
        return None
    return hashlib.sha256(canonical_json(result.evidence)).hexdigest()


def _refuse_other(named: set[str], blocking: Sequence[str]) -> None:
    if left := [each for each in blocking if each not in named]:
        named_here = left[:_NAMED] + [f"{len(left) - _NAMED} more"] * (len(left) > _NAMED)
        raise SignOffError(
            f"{list_text(named_here)}: blocking, and not passed.",
            remedy="Mend them and look again (`onyx launch check`), or sign that you go live in"
            f" spite of them: --despite {left[0]}, and so on for each.",
        )
    if wrong := sorted(named - set(blocking)):
        raise SignOffError(
            f"{list_text(wrong)}: nothing that blocks and has not passed.",
            remedy="Leave out that --despite.",
        )
