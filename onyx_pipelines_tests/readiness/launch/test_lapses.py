"""A bundle is judged again: each thing in it that does not hold, or holds no longer, is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.readiness.launch.bundle import Content, open_bundle
from onyx_pipelines.readiness.launch.bundle_archive import pack, unpack
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, Role, checklist
from onyx_pipelines.readiness.launch.lapses import Lapse, LapseKind, changed_thresholds, lapses
from onyx_pipelines.readiness.launch.leads import LEADS, Lead
from onyx_pipelines.readiness.launch.signing_off import SignOff, sign
from onyx_pipelines.readiness.launch.verdicts import Facts, ItemResult, LaunchReview, Verdict
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines_tests.readiness.launch.passing import (
    AT,
    REPORT,
    WITH_FILE,
    bundled,
    content_of,
    facts_of,
    review_of,
    signed,
    signed_by_all,
)
from onyx_pipelines_tests.vault.sets import signers, signing_key

ASKED: Final = checklist()
CONTENT: Final = content_of()
DAY: Final = timedelta(days=1)
HOSTS: Final = signers("host")


def found(
    data: bytes, now: datetime = AT, hosts: Signers = HOSTS, leads: tuple[Lead, ...] = ()
) -> tuple[Lapse, ...]:
    return lapses(open_bundle(data), hosts, now, leads=leads)


def with_result(item_id: str, **changed: Any) -> LaunchReview:
    """A review where somebody has written something else about one item."""
    results = tuple(
        each.model_copy(update=changed) if each.item_id == item_id else each
        for each in CONTENT.review.results
    )
    return CONTENT.review.model_copy(update={"results": results})


def with_facts(item_id: str, **changed: Any) -> LaunchReview:
    """A review where the facts of one item are other ones, and its verdict is not."""
    before = next(each for each in CONTENT.review.results if each.item_id == item_id)
    return with_result(item_id, evidence={**before.evidence, **changed})


def failing(item_id: str, **changed: Any) -> LaunchReview:
    """An honest review where one item is otherwise."""
    item = ASKED.item(item_id)
    assert item
    facts = facts_of(item)
    return review_of(ASKED, changed={item_id: Facts(at=facts.at, seen={**facts.seen, **changed})})


def without(item_id: str) -> LaunchReview:
    kept = tuple(each for each in CONTENT.review.results if each.item_id != item_id)
    return CONTENT.review.model_copy(update={"results": kept})


def asked_otherwise(change: Callable[[Item], Item | None]) -> Checklist:
    sections = (
        section.model_copy(update={"items": tuple(filter(None, map(change, section.items)))})
        for section in ASKED.sections
    )
    return Checklist(sections=tuple(sections))


def softer(item: Item) -> Item:
    return item.model_copy(update={"blocks": False}) if item.id == "backups-are-well" else item


def dropped(item: Item) -> Item | None:
    return None if item.id == "backups-are-well" else item


def review_again(review: LaunchReview) -> Content:
    """Bundled with sign-offs of the honest review."""
    return replace(CONTENT, review=review)


def signing(*signoffs: SignOff) -> Content:
    return replace(CONTENT, signoffs=signoffs)


def forged(signoff: SignOff, **changed: Any) -> SignOff:
    """Its statement is another one, its signature is not."""
    statement = signoff.statement.model_copy(update=changed)
    return signoff.model_copy(update={"statement": statement})


def resigned(signoff: SignOff, **changed: Any) -> SignOff:
    """By the host itself: a true signature under something else."""
    return sign(signoff.statement.model_copy(update=changed), signing_key("host"), AT)


def altered(name: str, data: bytes | None) -> bytes:
    """The true bundle, where one file is another one, or gone, and nobody signed that."""
    files = unpack(bundled(CONTENT))
    changed = {name: data} if data is not None else {}
    return pack({**{each: files[each] for each in files if each != name}, **changed})


ENGINEERING, OPERATIONS, PRODUCT = CONTENT.signoffs
OTHER_COMMIT: Final = CONTENT.review.model_copy(update={"commit": "0" * 40})
EARLIER: Final = failing("backups-are-well", condition="failing", summary="There is no backup.")
LAXER: Final = Thresholds(error_share=0.5)


@dataclass(frozen=True)
class Planted:
    """What somebody did to a bundle, or what happened since. `key`: what it was signed with."""

    kind: LapseKind
    said: str
    content: Content = CONTENT
    now: datetime = AT
    key: str = "host"
    data: bytes | None = None
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def bundle(self) -> bytes:
        return self.data or bundled(self.content, key=self.key, **self.manifest)


# A host that lies can sign whatever it wants: those with its key are found by what they say.
PLANTED: Final = {
    "what was looked at is older than a day": Planted(
        LapseKind.EXPIRED, "backups-are-well had passed", now=AT + 2 * DAY
    ),
    "what a person has shown has expired": Planted(
        LapseKind.EXPIRED, "tests-passed had passed", now=AT + 31 * DAY
    ),
    "the certificate ends too soon by now": Planted(
        LapseKind.EXPIRED,
        "certificate-is-valid had passed",
        review_again(
            failing("certificate-is-valid", ends_at=(AT + 14 * DAY + DAY / 2).isoformat())
        ),
        now=AT + DAY * 0.6,
    ),
    "the clock was ahead when it was looked at": Planted(
        LapseKind.EXPIRED, "had passed and is not known any more", now=AT - DAY
    ),
    "a failed item is said to have passed": Planted(
        LapseKind.VERDICT,
        "backups-are-well is said to be passed",
        review_again(
            EARLIER.model_copy(
                update={
                    "results": tuple(
                        each.model_copy(update={"verdict": Verdict.PASSED})
                        for each in EARLIER.results
                    )
                }
            )
        ),
    ),
    "facts are worse than their verdict": Planted(
        LapseKind.VERDICT,
        "login-page-answers is said to be passed",
        review_again(with_facts("login-page-answers", status=502)),
    ),
    "facts cannot be read": Planted(
        LapseKind.VERDICT,
        "login-page-answers is said to be passed",
        review_again(with_facts("login-page-answers", status="fine")),
    ),
    "evidence is said to hold for longer": Planted(
        LapseKind.VERDICT,
        "tests-passed is said to be passed, until 2027-11-27",
        review_again(with_result("tests-passed", expires_at=AT + 365 * DAY)),
    ),
    "another sentence stands beside the facts": Planted(
        LapseKind.VERDICT,
        "backups-are-well",
        review_again(with_result("backups-are-well", found="It was never better.")),
    ),
    "an item is left out of the review": Planted(
        LapseKind.ITEM,
        "certificate-is-valid has no result",
        review_again(without("certificate-is-valid")),
    ),
    "an item has two results": Planted(
        LapseKind.ITEM,
        "tests-passed has 2 results",
        review_again(
            CONTENT.review.model_copy(
                update={"results": (*CONTENT.review.results, CONTENT.review.results[0])}
            )
        ),
    ),
    "an item is made up": Planted(
        LapseKind.ITEM,
        "all-is-well is asked by no checklist",
        review_again(
            CONTENT.review.model_copy(
                update={
                    "results": (
                        *CONTENT.review.results,
                        ItemResult(item_id="all-is-well", verdict=Verdict.PASSED, found="", at=AT),
                    )
                }
            )
        ),
    ),
    "an item is left out of the checklist": Planted(
        LapseKind.CHECKLIST,
        "without backups-are-well",
        replace(CONTENT, asked=asked_otherwise(dropped)),
    ),
    "an item no longer blocks": Planted(
        LapseKind.CHECKLIST,
        "backups-are-well otherwise",
        replace(CONTENT, asked=asked_otherwise(softer)),
    ),
    "it was asked by laxer figures": Planted(
        LapseKind.CHECKLIST, "requests-succeed otherwise", manifest={"thresholds": LAXER}
    ),
    "evidence is another file": Planted(
        LapseKind.EVIDENCE,
        "dependencies-scanned is not the one that was shown",
        replace(CONTENT, evidence={WITH_FILE: b"12 critical\n"}),
    ),
    "evidence is missing": Planted(
        LapseKind.EVIDENCE, "dependencies-scanned is missing", replace(CONTENT, evidence={})
    ),
    "a file is shown where none was": Planted(
        LapseKind.EVIDENCE,
        "tests-passed is not the one",
        replace(CONTENT, evidence={WITH_FILE: REPORT, "tests-passed": b"fine"}),
    ),
    "a stranger signed the bundle": Planted(
        LapseKind.SIGNATURE, "is not among the signers", key="stranger"
    ),
    "a file was changed on the way": Planted(
        LapseKind.FILE,
        "evidence-dependencies-scanned is not what was bundled",
        data=altered(f"evidence-{WITH_FILE}", b"12 critical\n"),
    ),
    "a file was taken out on the way": Planted(
        LapseKind.FILE,
        "evidence-dependencies-scanned is missing",
        data=altered(f"evidence-{WITH_FILE}", None),
    ),
    "a file was added on the way": Planted(
        LapseKind.FILE,
        "evidence-code-reviewed is not among what was bundled",
        data=altered("evidence-code-reviewed", b"fine"),
    ),
    "a sign-off was taken out on the way": Planted(
        LapseKind.FILE,
        "signoffs.json is not what was bundled",
        data=altered("signoffs.json", b"[]"),
    ),
    "a sign-off is of another commit": Planted(
        LapseKind.SIGN_OFF,
        "of commit 000000000000",
        signing(*signed_by_all(OTHER_COMMIT, ASKED)),
    ),
    "a sign-off is of another stack": Planted(
        LapseKind.SIGN_OFF, "of the stack blue", signing(resigned(PRODUCT, stack="blue"))
    ),
    "a sign-off is of another checklist": Planted(
        LapseKind.SIGN_OFF,
        "another checklist was signed",
        signing(resigned(PRODUCT, checklist_sha256="0" * 64)),
    ),
    "roles were swapped": Planted(
        LapseKind.SIGN_OFF,
        "It was not signed by",
        signing(
            forged(ENGINEERING, role=Role.OPERATIONS), forged(OPERATIONS, role=Role.ENGINEERING)
        ),
    ),
    "another name stands over a signature": Planted(
        LapseKind.SIGN_OFF, "It was not signed by", signing(forged(PRODUCT, name="Eve"))
    ),
    "what was signed in spite of is cut": Planted(
        LapseKind.SIGN_OFF,
        "It was not signed by",
        replace(
            review_again(EARLIER),
            signoffs=(forged(signed(EARLIER, ASKED, Role.PRODUCT), despite=()),),
        ),
    ),
    "a stranger signed off": Planted(
        LapseKind.SIGN_OFF,
        "is not among the signers",
        signing(signed(CONTENT.review, ASKED, Role.PRODUCT, key="stranger")),
    ),
    "an old sign-off is brought again, of before an item failed": Planted(
        LapseKind.SIGN_OFF,
        "backups-are-well was signed as passed, and is failed",
        review_again(EARLIER),
    ),
    "evidence was changed after it was signed": Planted(
        LapseKind.SIGN_OFF,
        "the evidence of tests-passed is another one",
        review_again(failing("tests-passed", shown="https://ci.example.org/2")),
    ),
    "one role signed twice": Planted(
        LapseKind.SIGN_OFF, "product has 2 sign-offs", signing(PRODUCT, PRODUCT)
    ),
}  # fmt: skip


def test_a_bundle_that_nobody_touched_has_none() -> None:
    assert found(bundled(CONTENT)) == ()


def test_neither_has_one_of_a_launch_that_was_not_ready() -> None:
    content = Content(ASKED, EARLIER, signed_by_all(EARLIER, ASKED), (), CONTENT.evidence)

    assert found(bundled(content)) == ()


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_each_planted_lapse_is_found(planted: Planted) -> None:
    named = found(planted.bundle, planted.now)

    assert [each for each in named if each.kind is planted.kind and planted.said in each.what]


def test_a_signer_that_was_retired_before_it_signed_does_not_count() -> None:
    retired = signing_key("host").signer.model_copy(update={"retired_at": AT - DAY})

    kinds = {each.kind for each in found(bundled(CONTENT), hosts=Signers.of([retired]))}

    assert kinds == {LapseKind.SIGNATURE, LapseKind.SIGN_OFF}


class TestLeads:
    """Of a role that has some, nobody else signs."""

    MARY: Final = LEADS.make("Mary", signing_key("mary").signer.public_keyset).model_copy(
        update={"roles": (Role.PRODUCT,)}
    )

    def test_their_own_key_counts(self) -> None:
        by_mary = signed(CONTENT.review, ASKED, Role.PRODUCT, key="mary")
        content = replace(CONTENT, signoffs=(ENGINEERING, by_mary), leads=(self.MARY,))

        assert found(bundled(content)) == ()

    def test_the_host_does_not_sign_for_them(self) -> None:
        [lapse] = found(bundled(replace(CONTENT, leads=(self.MARY,))))

        assert (lapse.kind, "is not among the signers" in lapse.what) == (LapseKind.SIGN_OFF, True)

    def test_those_that_this_machine_knows_count_and_not_those_of_the_bundle(self) -> None:
        [lapse] = found(bundled(CONTENT), leads=(self.MARY,))

        assert lapse.kind is LapseKind.SIGN_OFF


def test_other_figures_than_the_usual_are_told_of() -> None:
    laxer = checklist(LAXER)
    review = review_of(laxer)
    content = Content(laxer, review, signed_by_all(review, laxer), (), CONTENT.evidence)
    bundle = bundled(content, thresholds=LAXER)

    assert found(bundle) == ()
    assert changed_thresholds(open_bundle(bundle)) == ["error_share 0.5"]


def test_an_item_that_lapsed_is_named_once_and_not_again_by_each_sign_off() -> None:
    named = found(bundled(CONTENT), AT + 31 * DAY)

    assert {each.kind for each in named} == {LapseKind.EXPIRED}
