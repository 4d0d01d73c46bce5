"""What a sign-off binds, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from onyx_pipelines.readiness.launch.checklist import Role, checklist
from onyx_pipelines.readiness.launch.judging.judge import judge_again
from onyx_pipelines.readiness.launch.leads import LEADS
from onyx_pipelines.readiness.launch.objections import Keys, ObjectionKind, objections
from onyx_pipelines.readiness.launch.signing_off import SignOff, SignOffError, statement_of
from onyx_pipelines.readiness.launch.signoff_book import SignOffBook, unsigned
from onyx_pipelines.readiness.launch.verdicts import Facts, LaunchReview
from onyx_pipelines_tests.readiness.launch.passing import (
    AT,
    facts_of,
    review_of,
    signed,
    signed_by_all,
)
from onyx_pipelines_tests.vault.sets import signers, signing_key

ASKED: Final = checklist()
REVIEW: Final = review_of(ASKED)
DAY: Final = timedelta(days=1)
KEYS: Final = Keys(signers("host"))
SIGNED: Final = signed(REVIEW, ASKED, Role.PRODUCT)


def failing(*items: str) -> LaunchReview:
    unable = {each: Facts.unable(AT, "It cannot be looked at.") for each in items}
    return review_of(ASKED, changed=unable)


def kinds(
    review: LaunchReview, signoff: SignOff = SIGNED, keys: Keys = KEYS, after: timedelta = DAY / 24
) -> set[ObjectionKind]:
    now = AT + after
    today = judge_again(review, ASKED, now)
    return {each.kind for each in objections(signoff, today, ASKED, keys, now)}


def test_it_stands_while_what_it_signed_is_so() -> None:
    assert kinds(REVIEW) == set()


def test_it_stands_when_all_is_looked_at_again_and_is_as_it_was() -> None:
    later = review_of(ASKED, AT + 2 * DAY)
    kept = {item.id: facts_of(item) for item in ASKED.items if not item.is_automatic}

    assert kinds(review_of(ASKED, AT + 2 * DAY, kept), after=2 * DAY) == set()
    # What people show anew is another evidence, whatever it says.
    assert kinds(later, after=2 * DAY) == {ObjectionKind.EVIDENCE}


@pytest.mark.parametrize(
    ("review", "kind"),
    [
        (failing("backups-are-well"), ObjectionKind.VERDICT),
        (failing("inodes-left"), ObjectionKind.VERDICT),
        (REVIEW.model_copy(update={"commit": "other"}), ObjectionKind.COMMIT),
        (REVIEW.model_copy(update={"stack": "blue"}), ObjectionKind.STACK),
    ],
)
def test_it_ends_once_something_of_that_has_changed(
    review: LaunchReview, kind: ObjectionKind
) -> None:
    assert kinds(review) == {kind}


def test_it_ends_with_the_evidence() -> None:
    assert kinds(REVIEW, after=DAY) == {ObjectionKind.EXPIRED}


def test_a_key_that_nobody_knows_signs_nothing() -> None:
    assert kinds(REVIEW, keys=Keys(signers("other"))) == {ObjectionKind.SIGNATURE}


def test_a_lead_signs_under_their_own_name_alone() -> None:
    mary = LEADS.make("Someone", signing_key("mary").signer.public_keyset)
    keys = replace(KEYS, leads=(mary.model_copy(update={"roles": (Role.PRODUCT,)}),))
    by_mary = signed(REVIEW, ASKED, Role.PRODUCT, key="mary")

    assert "names Mary, and is signed with the key of Someone" in keys.distrust(by_mary)
    assert keys.distrust(signed(REVIEW, ASKED, Role.OPERATIONS)) == ""


class TestDespite:
    def test_nobody_signs_what_blocks_without_naming_it(self) -> None:
        blocked = failing("backups-are-well", "inodes-left")

        with pytest.raises(SignOffError, match="backups-are-well: blocking, and not passed"):
            statement_of(blocked, blocked, ASKED, Role.PRODUCT, "Mary", ())

    def test_what_is_named_stands_in_the_signature(self) -> None:
        blocked = failing("backups-are-well")

        said = statement_of(blocked, blocked, ASKED, Role.PRODUCT, "Mary", ["backups-are-well"])

        assert said.despite == ("backups-are-well",)
        assert b'"despite":["backups-are-well"]' in said.body

    def test_nothing_else_is_named(self) -> None:
        with pytest.raises(SignOffError, match="inodes-left: nothing that blocks"):
            statement_of(REVIEW, REVIEW, ASKED, Role.PRODUCT, "Mary", ["inodes-left"])

    def test_what_has_expired_blocks_too(self) -> None:
        today = judge_again(REVIEW, ASKED, AT + 2 * DAY)

        with pytest.raises(SignOffError, match="blocking, and not passed"):
            statement_of(REVIEW, today, ASKED, Role.PRODUCT, "Mary", ())


@pytest.mark.parametrize("role", [Role.SECURITY, Role.SUPPORT])
def test_other_roles_do_not_sign(role: Role) -> None:
    with pytest.raises(SignOffError, match=f"{role} does not sign"):
        statement_of(REVIEW, REVIEW, ASKED, role, "Eve", ())


class TestTheBook:
    @pytest.fixture
    def book(self, tmp_path: Path) -> SignOffBook:
        book = SignOffBook(tmp_path / "signoffs")
        for each in signed_by_all(REVIEW, ASKED):
            book.add(each)
        return book

    def missing(self, book: SignOffBook) -> list[str]:
        return unsigned(book.standings(REVIEW, ASKED, KEYS, AT))

    def test_all_have_signed(self, book: SignOffBook) -> None:
        assert self.missing(book) == []

    def test_who_has_not_is_named(self, tmp_path: Path) -> None:
        assert self.missing(SignOffBook(tmp_path)) == [
            "engineering has not signed.",
            "operations has not signed.",
            "product has not signed.",
        ]

    def test_one_that_is_taken_back_stays_and_counts_no_more(self, book: SignOffBook) -> None:
        book.revoke(Role.PRODUCT, by="mary", reason="I had not read it.", at=AT)

        [said] = self.missing(book)
        assert "Mary (product), 2026-11-27 12:00 UTC does not count: mary took it back" in said
        assert len(book.all()) == 3

    def test_an_older_one_does_not_come_back_with_that(self, book: SignOffBook) -> None:
        book.add(signed(REVIEW, ASKED, Role.PRODUCT, at=AT - DAY / 48))
        book.revoke(Role.PRODUCT, by="mary", reason="No.", at=AT)

        with pytest.raises(SignOffError, match="product has no sign-off that stands"):
            book.revoke(Role.PRODUCT, by="mary", reason="No.", at=AT)
        assert len(self.missing(book)) == 1

    def test_signing_again_counts(self, book: SignOffBook) -> None:
        book.revoke(Role.PRODUCT, by="mary", reason="No.", at=AT)
        book.add(signed(REVIEW, ASKED, Role.PRODUCT, at=AT + DAY / 48))

        assert self.missing(book) == []

    def test_one_that_is_damaged_is_named_and_not_left_out(self, book: SignOffBook) -> None:
        path = book.newest()[Role.PRODUCT].path
        path.write_bytes(path.read_bytes()[:-9])

        with pytest.raises(SignOffError, match=f"{path} cannot be read"):
            book.all()
