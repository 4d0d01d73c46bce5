"""Whether a sign-off still counts, and each reason why it does not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from onyx_pipelines.core.text import day_text, list_text, words
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch.checklist import Checklist, Role
from onyx_pipelines.readiness.launch.leads import Lead
from onyx_pipelines.readiness.launch.signing_off import PLACE, SignedItem, SignOff, digest, given
from onyx_pipelines.readiness.launch.verdicts import ItemResult, LaunchReview
from onyx_pipelines.vault.signing import Signer, Signers


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
        distrust = counted.distrust(signoff.signature, PLACE, said.body)
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
            yield from _changed(before, review.result(item), given(asked, review.result(item)), now)


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
