"""A launch as it stands on this host: the last review, judged as of now, and who has signed it.

Everybody signs, bundles and decides by the review that `onyx launch check` (or the asset) kept: so
what is signed is what was shown, to the last fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from onyx_pipelines.core.settings import HostSettings, Settings
from onyx_pipelines.core.text import count_text
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.readiness.launch.bundle import Bundle
from onyx_pipelines.readiness.launch.bundle_archive import LaunchBundleError
from onyx_pipelines.readiness.launch.checklist import Checklist, Role, checklist
from onyx_pipelines.readiness.launch.commit import commit_of
from onyx_pipelines.readiness.launch.go_live import Decision, decide, go_live
from onyx_pipelines.readiness.launch.judging.judge import judge_again
from onyx_pipelines.readiness.launch.lapses import LapseKind, lapses
from onyx_pipelines.readiness.launch.leads import known_leads
from onyx_pipelines.readiness.launch.objections import Keys, Standing, objections
from onyx_pipelines.readiness.launch.signing_off import SignOff, SignOffError, Statement, sign
from onyx_pipelines.readiness.launch.signoff_book import SignOffBook
from onyx_pipelines.readiness.launch.verdicts import LaunchReview
from onyx_pipelines.vault.signing import Signers, SigningKey, load_signing_key
from onyx_pipelines.vault.trust import Trust


@dataclass(frozen=True)
class Launch:
    """Args:
    review: as it was kept.
    today: the same judged now: what has expired is no pass.
    standings: one of each role that signs.
    """

    asked: Checklist
    review: LaunchReview
    today: LaunchReview
    standings: tuple[Standing, ...]

    @property
    def counted(self) -> tuple[SignOff, ...]:
        """The sign-offs that count."""
        return tuple(each.signoff for each in self.standings if each.signoff and each.counts)

    def decisions(self, settings: Settings) -> list[Decision]:
        """Go or no go, by each criterion."""
        return decide(go_live(settings.alert_thresholds), self.today, self.asked, self.standings)


def keep_review(settings: HostSettings, review: LaunchReview) -> None:
    """Of the whole checklist: what is signed and bundled from now on. Raises SignOffError."""
    file = _kept(settings)
    try:
        file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write(review)
    except OSError as error:
        raise SignOffError(
            f"{file.path} cannot be written ({error.strerror}).",
            remedy="Run as the user of ONYX_STATE_DIR, with room on its disk.",
        ) from None


def kept_review(settings: HostSettings) -> LaunchReview | None:
    """The last that was kept, of whatever commit; None: nobody has looked yet.

    Raises:
        SignOffError: it cannot be read.
    """
    file = _kept(settings)
    try:
        return file.read()
    except (OSError, ValidationError) as error:
        raise SignOffError(
            f"The last review {file.path} cannot be read ({type(error).__name__}).",
            remedy="Look at everything again: `onyx launch check`.",
        ) from None


def launch_of(settings: Settings) -> Launch:
    """As it stands now, by the kept review.

    Raises:
        SignOffError: there is none, it is of another commit, or a sign-off cannot be read.
        KeyFileError: a list of keys is not good.
    """
    review = _review(settings)
    now = datetime.now(UTC)
    asked = checklist(settings.alert_thresholds)
    today = judge_again(review, asked, now)
    standings = SignOffBook.of(settings).standings(today, asked, keys_of(settings), now)
    return Launch(asked, review, today, tuple(standings))


def holding_launch(bundle: Bundle, hosts: Signers, now: datetime) -> Launch:
    """Of a bundle, where all but its sign-offs holds: others may have signed before.

    Raises:
        LaunchBundleError: something of it does not.
    """
    found = [each for each in lapses(bundle, hosts, now) if each.kind is not LapseKind.SIGN_OFF]
    if found:
        raise LaunchBundleError(
            f"The bundle does not hold ({count_text(len(found), 'lapse')}): {found[0].what}",
            remedy="`onyx launch verify` names all of it; look again on the host, and bundle anew.",
        )
    content = bundle.content
    today = judge_again(content.review, content.asked, now)
    return Launch(content.asked, content.review, today, ())


def accept_signoff(settings: Settings, signoff: SignOff) -> None:
    """Keep one that was signed elsewhere.

    Raises:
        SignOffError: it does not count for what there is now, or cannot be written.
    """
    launch = launch_of(settings)
    now = datetime.now(UTC)
    if found := objections(signoff, launch.today, launch.asked, keys_of(settings), now):
        raise SignOffError(
            f"The sign-off of {signoff} does not count: {found[0].what}",
            remedy="Bundle what there is now, and have that signed.",
        )
    keep_signoff(settings, signoff)


def keys_of(settings: Settings) -> Keys:
    """Whose sign-offs count on this host. Raises KeyFileError: a list is not good."""
    return Keys(Trust.of(settings).signers, known_leads(settings))


def signing_key_for(settings: Settings, role: Role, path: Path | None) -> SigningKey:
    """The key that signs for a role: a lead's own file, or where the role has no lead the host's.

    Raises:
        SignOffError: the role has leads, and no key of theirs was named.
        KeyFileError: the key is not good.
    """
    if path is not None:
        return load_signing_key(path)
    if leads := keys_of(settings).leads_of(role):
        raise SignOffError(
            f"For {role} only leads sign, with their own keys: {', '.join(map(str, leads))}.",
            remedy="Name the file of that key with --key.",
        )
    return Trust.of(settings).signing_key()


def signed(settings: Settings, statement: Statement, key: SigningKey) -> SignOff:
    """Sign and keep it.

    Raises:
        SignOffError: it would not count with this key, or it cannot be written.
    """
    signoff = sign(statement, key, datetime.now(UTC))
    keep_signoff(settings, signoff)
    return signoff


def keep_signoff(settings: Settings, signoff: SignOff) -> None:
    """One that was signed here, or elsewhere.

    Raises:
        SignOffError: its signature does not count here, or it cannot be written.
    """
    if distrust := keys_of(settings).distrust(signoff):
        signer, role = signoff.signature.signer_name, signoff.statement.role
        raise SignOffError(
            f"What {signer!r} signs for {role} does not count. {distrust}",
            remedy="Sign with the lead's own key, or add that with `onyx keys leads add`.",
        )
    SignOffBook.of(settings).add(signoff)


def _review(settings: Settings) -> LaunchReview:
    review = kept_review(settings)
    if review is None:
        raise SignOffError(
            "Nobody has looked at the checklist yet.", remedy="`onyx launch check` does."
        )
    if review.commit != (commit := commit_of(settings)):
        raise SignOffError(
            f"The checklist was looked at for {review.commit}, and {commit} goes live.",
            remedy="Look at everything again: `onyx launch check`.",
        )
    return review


def _kept(settings: HostSettings) -> RecordFile[LaunchReview]:
    return RecordFile(settings.state_dir / "launch" / "review.json", LaunchReview)
