"""What of a bundle does not hold, or holds no longer. Pure: the same answer on any machine.

Nothing that a bundle says of itself is believed: every verdict is made again, by this program's own
checklist, from the facts, for the moment of the review and for now.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from onyx_pipelines.core.text import list_text, words
from onyx_pipelines.readiness.launch.bundle import PLACE, Bundle, BundledFile
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, checklist
from onyx_pipelines.readiness.launch.judging.judge import judge, judge_again
from onyx_pipelines.readiness.launch.leads import Lead
from onyx_pipelines.readiness.launch.objections import Keys, objections
from onyx_pipelines.readiness.launch.verdicts import ItemResult, Verdict
from onyx_pipelines.vault.signing import Signers


class LapseKind(StrEnum):
    """What about it does not hold."""

    SIGNATURE = "signature"
    FILE = "file"
    ORIGIN = "origin"
    CHECKLIST = "checklist"
    ITEM = "item"
    VERDICT = "verdict"
    EXPIRED = "expired"
    EVIDENCE = "evidence"
    SIGN_OFF = "sign_off"
    LIVE = "live"


@dataclass(frozen=True)
class Lapse:
    """One thing, in a sentence; `item_id`: where it is about one item."""

    kind: LapseKind
    what: str
    item_id: str = ""


def lapses(
    bundle: Bundle, hosts: Signers, now: datetime, *, leads: Sequence[Lead] = ()
) -> tuple[Lapse, ...]:
    """All of them; none: it holds.

    Args:
        hosts: whose signature under the bundle counts here.
        leads: whose own keys count, where this machine knows; else as the bundle's host says.
    """
    asked = checklist(bundle.manifest.thresholds)
    found = [
        *_of_signature(bundle, hosts),
        *_of_files(bundle),
        *_of_checklist(bundle.content.asked, asked),
        *_of_items(bundle, asked, now),
    ]
    keys = Keys(hosts, tuple(leads) or bundle.content.leads)
    named = {each.item_id for each in found} - {""}
    return (*found, *_of_signoffs(bundle, asked, keys, now, named))


def changed_thresholds(bundle: Bundle) -> list[str]:
    """Which figures the checklist asked by there that are not the usual ones."""
    usual = type(bundle.manifest.thresholds)()
    return [
        f"{name} {value}"
        for name, value in bundle.manifest.thresholds
        if value != getattr(usual, name)
    ]


def _of_signature(bundle: Bundle, hosts: Signers) -> Iterator[Lapse]:
    if distrust := hosts.distrust(bundle.signature, PLACE, bundle.signed):
        yield Lapse(LapseKind.SIGNATURE, f"The bundle's signature does not count. {distrust.what}")


def _of_files(bundle: Bundle) -> Iterator[Lapse]:
    listed = bundle.manifest.files
    for name in sorted(listed.keys() | bundle.files.keys()):
        if name not in bundle.files:
            yield Lapse(LapseKind.FILE, f"{name} is missing.")
        elif name not in listed:
            yield Lapse(LapseKind.FILE, f"{name} is not among what was bundled.")
        elif BundledFile.of(bundle.files[name]) != listed[name]:
            yield Lapse(LapseKind.FILE, f"{name} is not what was bundled.")
    said, review = bundle.manifest, bundle.content.review
    if (said.stack, said.commit) != (review.stack, review.commit):
        what = f"It says that it is of commit {said.commit[:12]}, and its review is of another."
        yield Lapse(LapseKind.ORIGIN, what)


def _of_checklist(there: Checklist, here: Checklist) -> Iterator[Lapse]:
    if there == here:
        return
    ours, theirs = ({each.id: each for each in asked.items} for asked in (here, there))
    changed = [
        *(f"without {item}" for item in ours if item not in theirs),
        *(f"with {item}" for item in theirs if item not in ours),
        *(f"{item} otherwise" for item in ours if item in theirs and ours[item] != theirs[item]),
    ]
    what = list_text(changed) or "in another order"
    yield Lapse(LapseKind.CHECKLIST, f"It was asked by another checklist than this one: {what}.")


def _of_items(bundle: Bundle, asked: Checklist, now: datetime) -> Iterator[Lapse]:
    results = bundle.content.review.results
    for item_id, count in Counter(each.item_id for each in results).items():
        if asked.item(item_id) is None:
            yield Lapse(LapseKind.ITEM, f"{item_id} is asked by no checklist here.", item_id)
        elif count > 1:
            yield Lapse(LapseKind.ITEM, f"{item_id} has {count} results.", item_id)
    for item in asked.items:
        found = [each for each in results if each.item_id == item.id]
        if not found:
            yield Lapse(LapseKind.ITEM, f"{item.id} has no result.", item.id)
        for result in found:
            yield from _of_result(item, result, bundle.content.review.at, now)
            if not item.is_automatic:
                yield from _of_evidence(item, result, bundle.content.evidence.get(item.id))


def _of_result(item: Item, result: ItemResult, at: datetime, now: datetime) -> Iterator[Lapse]:
    then, today = judge(item, result.facts, at), judge(item, result.facts, now)
    if then != result:
        said = f"{words(result.verdict)}, {_until(result)}"
        by_facts = f"{words(then.verdict)}, {_until(then)}"
        what = f"{item.id} is said to be {said}; by its facts it was {by_facts}."
        yield Lapse(LapseKind.VERDICT, what, item.id)
    elif then.verdict is Verdict.PASSED and today.verdict is not Verdict.PASSED:
        what = f"{item.id} had passed and is {_no_longer(today)}: {today.found}"
        yield Lapse(LapseKind.EXPIRED, what, item.id)


def _until(result: ItemResult) -> str:
    return f"until {result.expires_at.date()}" if result.expires_at else "for good"


def _no_longer(today: ItemResult) -> str:
    return "failed now" if today.verdict is Verdict.FAILED else "not known any more"


def _of_evidence(item: Item, result: ItemResult, content: bytes | None) -> Iterator[Lapse]:
    shown = result.evidence.get("sha256", "")
    # One that had changed or gone when it was looked at has not passed, and is not in the bundle.
    wanted = shown if shown == result.evidence.get("sha256_now") else ""
    if content is None and wanted:
        yield Lapse(
            LapseKind.EVIDENCE, f"The file that was shown for {item.id} is missing.", item.id
        )
    elif content is not None and hashlib.sha256(content).hexdigest() != wanted:
        what = f"The file for {item.id} is not the one that was shown."
        yield Lapse(LapseKind.EVIDENCE, what, item.id)


def _of_signoffs(
    bundle: Bundle, asked: Checklist, keys: Keys, now: datetime, named: set[str]
) -> Iterator[Lapse]:
    review = judge_again(bundle.content.review, asked, now)
    roles = Counter(each.statement.role for each in bundle.content.signoffs)
    for role, count in roles.items():
        if count > 1:
            yield Lapse(LapseKind.SIGN_OFF, f"{role} has {count} sign-offs.")
    for signoff in bundle.content.signoffs:
        for each in objections(signoff, review, asked, keys, now):
            if each.item_id not in named:
                what = f"The sign-off of {signoff} does not count: {each.what}"
                yield Lapse(LapseKind.SIGN_OFF, what, each.item_id)
