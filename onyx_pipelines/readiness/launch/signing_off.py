"""A sign-off: who answers for which state of the checklist, and whether that still stands. Pure.

It binds a role, a name and a signature to a commit, to the checklist and to what came of each item.
Automatic items are looked at again and again, so of them the verdict is bound; of what a person has
shown, the evidence itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StringConstraints

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import day_text, list_text, moment_text, words
from onyx_pipelines.readiness.launch.checklist import Checklist, Role
from onyx_pipelines.readiness.launch.leads import Lead
from onyx_pipelines.readiness.launch.verdicts import ItemResult, LaunchReview, Verdict
from onyx_pipelines.vault.records import Record, UtcDatetime, canonical_json
from onyx_pipelines.vault.signing import Signature, Signer, Signers, SigningKey

SIGNING_ROLES: Final = (Role.ENGINEERING, Role.OPERATIONS, Role.PRODUCT)
_PLACE: Final = b"onyx-launch/1/signoff"

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


class ObjectionKind(StrEnum):
    """Why a sign-off does not count."""

    REVOKED = "revoked"
    SIGNATURE = "signature"
    STACK = "other_stack"
    COMMIT = "other_commit"
    CHECKLIST = "other_checklist"
    VERDICT = "other_verdict"
    EVIDENCE = "other_evidence"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Objection:
    """One reason, in a sentence; `item_id`: where it is about one item."""

    kind: ObjectionKind
    what: str
    item_id: str = ""


@dataclass(frozen=True)
class Keys:
    """Whose signatures count: of a role that has leads theirs alone, else those of hosts."""

    hosts: Signers
    leads: tuple[Lead, ...] = ()

    def leads_of(self, role: Role) -> tuple[Lead, ...]:
        """Who may sign for it with a key of their own."""
        return tuple(each for each in self.leads if role in each.roles)

    def distrust(self, signoff: SignOff) -> str:
        """Why its signature does not count; "": it does."""
        said = signoff.statement
        leads = self.leads_of(said.role)
        as_signers = (Signer(**each.model_dump(exclude={"roles"})) for each in leads)
        counted = Signers.of(as_signers) if leads else self.hosts
        distrust = counted.distrust(signoff.signature, _PLACE, said.body)
        if distrust is not None:
            return distrust.what
        signed_by = [each.name for each in leads if each.id == signoff.signature.signer_id]
        if signed_by and said.name not in signed_by:
            return f"It names {said.name}, and is signed with the key of {list_text(signed_by)}."
        return ""


@dataclass(frozen=True)
class Standing:
    """Of one role. It counts where there is a sign-off and no objection."""

    role: Role
    signoff: SignOff | None
    objections: tuple[Objection, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the role has signed what there is now."""
        return self.signoff is not None and not self.objections

    @property
    def sentence(self) -> str:
        """Why it does not count, or who signed."""
        if self.signoff is None:
            return f"{self.role} has not signed."
        if not self.objections:
            despite = self.signoff.statement.despite
            return f"{self.signoff}{f', despite {list_text(despite)}' if despite else ''}."
        first, *more = (each.what for each in self.objections)
        return f"{self.signoff} does not count: {first}{f' ({len(more)} more)' if more else ''}"


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
            SignedItem(item_id=item.id, verdict=result.verdict, given_sha256=_given(asked, result))
            for item in asked.items
            if (result := today.result(item))
        ),
        despite=tuple(sorted(despite)),
    )


def sign(statement: Statement, key: SigningKey, at: datetime) -> SignOff:
    """Put the key's signature under it."""
    return SignOff(statement=statement, signature=key.sign(_PLACE, statement.body, at=at))


def objections(
    signoff: SignOff, review: LaunchReview, asked: Checklist, keys: Keys, now: datetime
) -> tuple[Objection, ...]:
    """Why it does not count for this review; none: it does.

    Args:
        review: judged again at `now`: what has expired is no pass in it.
    """
    return tuple(_objections(signoff, review, asked, keys, now))


def _objections(
    signoff: SignOff, review: LaunchReview, asked: Checklist, keys: Keys, now: datetime
) -> Iterator[Objection]:
    said = signoff.statement
    if distrust := keys.distrust(signoff):
        yield Objection(ObjectionKind.SIGNATURE, distrust)
    if said.stack != review.stack:
        what = f"it is of the stack {said.stack or 'without a name'}."
        yield Objection(ObjectionKind.STACK, what)
    if said.commit != review.commit:
        what = f"it is of commit {said.commit[:12]}, and {review.commit[:12] or 'none'} goes live."
        yield Objection(ObjectionKind.COMMIT, what)
    if said.checklist_sha256 != digest(asked):
        yield Objection(ObjectionKind.CHECKLIST, "another checklist was signed.")
    signed = {each.item_id: each for each in said.items}
    for item in asked.items:
        if before := signed.get(item.id):
            yield from _changed(
                before, review.result(item), _given(asked, review.result(item)), now
            )


def _changed(
    before: SignedItem, result: ItemResult, given: str | None, now: datetime
) -> Iterator[Objection]:
    it = before.item_id
    if before.verdict is Verdict.PASSED and result.expires_at and result.expires_at < now:
        what = f"the evidence of {it} has expired ({day_text(result.expires_at)})."
        yield Objection(ObjectionKind.EXPIRED, what, it)
    elif result.verdict is not before.verdict:
        what = f"{it} was signed as {words(before.verdict)}, and is {words(result.verdict)}."
        yield Objection(ObjectionKind.VERDICT, what, it)
    if before.given_sha256 != given:
        yield Objection(ObjectionKind.EVIDENCE, f"the evidence of {it} is another one.", it)


def _given(asked: Checklist, result: ItemResult) -> str | None:
    item = asked.item(result.item_id)
    if item is None or item.is_automatic:
        return None
    return hashlib.sha256(canonical_json(result.evidence)).hexdigest()


def _refuse_other(named: set[str], blocking: Sequence[str]) -> None:
    if left := [each for each in blocking if each not in named]:
        raise SignOffError(
            f"{list_text(left)}: blocking, and not passed.",
            remedy="Mend them and look again, or sign that you go live in spite of them:"
            f" {' '.join(f'--despite {each}' for each in blocking)}",
        )
    if wrong := sorted(named - set(blocking)):
        raise SignOffError(
            f"{list_text(wrong)}: nothing that blocks and has not passed.",
            remedy="Leave out that --despite.",
        )
