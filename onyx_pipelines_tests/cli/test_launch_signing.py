"""`onyx launch sign|signoffs|revoke|decide|plan|bundle|verify` and `onyx keys leads`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.commit import commit_of
from onyx_pipelines.readiness.launch.evidence import EvidenceFolder, evidence_for
from onyx_pipelines.readiness.launch.standing import keep_review
from onyx_pipelines.readiness.launch.verdicts import Facts
from onyx_pipelines.vault.host_keys import make_missing_keys
from onyx_pipelines_tests.cli.all_commands import call
from onyx_pipelines_tests.fixtures_sandbox import Answer
from onyx_pipelines_tests.readiness.launch.passing import REPORT, WITH_FILE, review_of

SECRET = 'canary-Kx7w/"q9'
ROLES = {"engineering": "Ada", "operations": "Grace", "product": "Mary"}


@dataclass
class Host:
    """One whose checklist was looked at; nothing of it runs."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def settings(self) -> Settings:
        return load_settings()

    def onyx(self, *words: object) -> Answer:
        return call(self.capsys, *(str(each) for each in words))

    def json(self, *words: object) -> Any:
        return self.onyx(*words, "--json").json

    def review(self, **changed: Facts) -> None:
        """As `onyx launch check` would keep it."""
        now = datetime.now(UTC)
        facts = {each.replace("_", "-"): facts for each, facts in changed.items()}
        found = review_of(checklist(), now, facts)
        keep_review(self.settings, found.model_copy(update={"commit": commit_of(self.settings)}))

    def sign(self, *more: object) -> list[int]:
        return [
            self.onyx("launch", "sign", "--role", role, "--name", name, "--yes", *more).status
            for role, name in ROLES.items()
        ]

    def deeds(self) -> list[tuple[str, str]]:
        records = Trail.of(self.settings).records()
        return [(each.action, each.result.verdict) for each in records if each.result]


@pytest.fixture
def host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Host:
    monkeypatch.setenv("ONYX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ONYX_BACKUP_DIR", str(tmp_path / "store"))
    monkeypatch.setenv("ONYX_RECIPIENTS_FILE", str(tmp_path / "keys" / "recipients.json"))
    monkeypatch.setenv("ONYX_SMTP_PASSWORD", SECRET)
    (tmp_path / "store").mkdir()
    host = Host(tmp_path, capsys)
    make_missing_keys(host.settings, "vps")
    (tmp_path / "trivy.txt").write_bytes(REPORT)
    item, shown = evidence_for(
        checklist(), WITH_FILE, by="Ada", file=tmp_path / "trivy.txt", now=datetime.now(UTC)
    )
    EvidenceFolder(host.settings).keep(item, shown)
    host.review()
    return host


UNABLE = Facts.unable(datetime.now(UTC), "Nobody has shown anything.")


class TestSigning:
    def test_shows_what_would_be_signed_and_signs_nothing(self, host: Host) -> None:
        answer = host.onyx("launch", "sign", "--role", "product", "--name", "Mary")

        assert "backups-are-well" in answer.output
        assert "Nothing was signed" in answer.output
        assert host.deeds() == []

    def test_all_three_make_it_go(self, host: Host) -> None:
        assert host.sign() == [0, 0, 0]

        assert host.onyx("launch", "signoffs").status == 0
        assert host.json("launch", "decide")["go"] is True
        assert host.deeds() == [("launch.sign", "signed")] * 3

    def test_nobody_has_signed_is_no_go(self, host: Host) -> None:
        answer = host.onyx("launch", "decide")

        assert (answer.status, "product has not signed." in answer.output) == (1, True)

    def test_what_blocks_has_to_be_named_and_stays_no_go(self, host: Host) -> None:
        host.review(rollback_rehearsed=UNABLE)

        refused = host.onyx("launch", "sign", "--role", "product", "--name", "Mary", "--yes")
        assert (refused.status, "--despite rollback-rehearsed" in refused.errors) == (2, True)
        assert host.sign("--despite", "rollback-rehearsed") == [0, 0, 0]
        assert host.onyx("launch", "signoffs").status == 0
        assert host.onyx("launch", "decide").status == 1

    def test_a_sign_off_ends_with_another_review(self, host: Host) -> None:
        host.sign()
        host.review(rollback_rehearsed=UNABLE)

        answer = host.onyx("launch", "signoffs")
        assert answer.status == 1
        assert "rollback-rehearsed was signed as passed" in answer.output

    def test_one_that_is_taken_back_is_told_with_its_reason(self, host: Host) -> None:
        host.sign()

        assert host.onyx("launch", "revoke", "--role", "product", "--reason", "Not so.").status == 0
        assert "taken back: Not so." in host.onyx("launch", "signoffs").output
        assert host.deeds()[-1] == ("launch.revoke", "revoked")

    def test_another_commit_has_to_be_looked_at_first(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ONYX_SENTRY_RELEASE", "onyx@2")

        answer = host.onyx("launch", "sign", "--role", "product", "--name", "Mary")
        assert (answer.status, "and onyx@2 goes live" in answer.errors) == (2, True)

    def test_a_checklist_that_nobody_looked_at_is_not_signed(self, host: Host) -> None:
        (host.root / "state" / "launch" / "review.json").unlink()

        answer = host.onyx("launch", "sign", "--role", "product", "--name", "Mary")
        assert (answer.status, "onyx launch check" in answer.errors) == (2, True)


class TestLeads:
    def test_only_they_sign_for_their_role(self, host: Host) -> None:
        key, public = host.root / "mary.key", host.root / "mary.pub"
        public.write_text(host.onyx("keys", "leads", "create", key, "--name", "Mary").output)
        added = host.onyx("keys", "leads", "add", "Mary", public, "--role", "product")

        by_host = host.onyx("launch", "sign", "--role", "product", "--name", "Mary", "--yes")
        by_mary = host.onyx("launch", "sign", "--role", "product", "--key", key, "--yes")

        assert (added.status, by_host.status, by_mary.status) == (0, 2, 0)
        assert "only leads sign" in by_host.errors
        [product] = [each for each in host.json("launch", "signoffs") if each["role"] == "product"]
        assert (product["counts"], product["signoff"]["statement"]["name"]) == (True, "Mary")

    def test_a_strangers_key_signs_nothing(self, host: Host) -> None:
        key = host.root / "eve.key"
        host.onyx("keys", "leads", "create", key, "--name", "Eve")

        answer = host.onyx("launch", "sign", "--role", "product", "--key", key, "--yes")
        assert (answer.status, "does not count" in answer.errors) == (2, True)


class TestOnTheirOwnMachine:
    """Mary's key is where the host is not."""

    @pytest.fixture
    def mary(self, host: Host) -> list[object]:
        key, public = host.root / "mary.key", host.root / "mary.pub"
        public.write_text(host.onyx("keys", "leads", "create", key, "--name", "Mary").output)
        host.onyx("keys", "leads", "add", "Mary", public, "--role", "product")
        host.onyx("launch", "bundle", host.root / "launch.bundle")
        words = ["launch", "sign-bundle", host.root / "launch.bundle", host.root / "mary.json"]
        return [*words, "--role", "product", "--key", key]

    def test_a_lead_signs_a_bundle_and_the_host_takes_it_in(
        self, host: Host, mary: list[object]
    ) -> None:
        shown, signed = host.onyx(*mary), host.onyx(*mary, "--yes")
        accepted = host.onyx("launch", "accept", host.root / "mary.json")

        assert (shown.status, signed.status, accepted.status) == (0, 0, 0)
        assert "Nothing was signed" in shown.output
        counts = {each["role"]: each["counts"] for each in host.json("launch", "signoffs")}
        assert counts["product"] is True
        assert host.deeds()[-1] == ("launch.accept", "accepted")

    def test_what_has_changed_since_is_not_taken_in(self, host: Host, mary: list[object]) -> None:
        host.onyx(*mary, "--yes")
        host.review(rollback_rehearsed=UNABLE)

        answer = host.onyx("launch", "accept", host.root / "mary.json")
        assert (answer.status, "does not count" in answer.errors) == (2, True)

    def test_a_bundle_that_does_not_hold_is_not_signed(
        self, host: Host, mary: list[object]
    ) -> None:
        bundle = host.root / "launch.bundle"
        bundle.write_bytes(bundle.read_bytes().replace(b"0 critical", b"9 critical"))

        answer = host.onyx(*mary, "--yes")
        assert (answer.status, "does not hold" in answer.errors) == (1, True)
        assert not (host.root / "mary.json").exists()

    def test_another_file_is_no_sign_off(self, host: Host) -> None:
        assert "is no sign-off" in host.onyx("launch", "accept", host.root / "trivy.txt").errors


class TestTheBundle:
    @pytest.fixture
    def bundle(self, host: Host) -> Path:
        host.sign()
        assert host.onyx("launch", "bundle", host.root / "launch.bundle").status == 0
        return host.root / "launch.bundle"

    @pytest.fixture
    def signer(self, host: Host) -> Path:
        path = host.root / "vps.pub"
        path.write_text(host.onyx("keys", "signers", "public").output, encoding="utf-8")
        return path

    def test_holds_on_a_machine_that_has_nothing_but_the_hosts_public_key(
        self, host: Host, bundle: Path, signer: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ONYX_STATE_DIR", str(host.root / "elsewhere"))
        monkeypatch.setenv("ONYX_RECIPIENTS_FILE", str(host.root / "elsewhere" / "none.json"))

        found = host.json("launch", "verify", bundle, "--signer", signer)
        unable = host.onyx("launch", "verify", bundle)

        assert (found["holds"], found["lapses"]) == (True, [])
        assert (unable.status, "--signer" in unable.errors) == (2, True)

    def test_of_the_same_state_is_the_same_file(self, host: Host, bundle: Path) -> None:
        again = host.root / "again.bundle"
        host.onyx("launch", "bundle", again)

        assert again.read_bytes() == bundle.read_bytes()

    def test_that_somebody_changed_is_told_of(self, host: Host, bundle: Path) -> None:
        bundle.write_bytes(bundle.read_bytes().replace(b"0 critical", b"9 critical"))

        answer = host.onyx("launch", "verify", bundle)
        assert answer.status == 1
        assert f"evidence-{WITH_FILE} is not what was bundled" in answer.output

    def test_holds_no_secret(self, host: Host, bundle: Path) -> None:
        keys = (host.root / "keys" / "signing-key.json").read_bytes()
        private = json.loads(json.loads(keys)["private_keyset"])

        data = bundle.read_bytes()
        assert b"canary" not in data
        assert private["key"][0]["keyData"]["value"].encode() not in data

    def test_is_refused_with_a_secret_in_what_was_shown(self, host: Host) -> None:
        (host.root / "trivy.txt").write_text(f"password {SECRET}", encoding="utf-8")
        item, shown = evidence_for(
            checklist(),
            WITH_FILE,
            by="Ada",
            file=host.root / "trivy.txt",
            now=datetime.now(UTC) - timedelta(minutes=1),
        )
        EvidenceFolder(host.settings).keep(item, shown)
        host.review(**{WITH_FILE: Facts(at=shown.at, seen=shown.seen().model_dump(mode="json"))})

        answer = host.onyx("launch", "bundle", host.root / "launch.bundle")

        assert answer.status == 1
        assert "ONYX_SMTP_PASSWORD would be in the bundle" in answer.errors
        assert not (host.root / "launch.bundle").exists()

    def test_is_refused_where_what_was_shown_has_changed_since(self, host: Host) -> None:
        (host.root / "trivy.txt").write_text("9 critical", encoding="utf-8")

        answer = host.onyx("launch", "bundle", host.root / "launch.bundle")
        assert (answer.status, "not what it was a moment ago" in answer.errors) == (1, True)

    def test_never_takes_the_place_of_another_file(self, host: Host, bundle: Path) -> None:
        assert "exists" in host.onyx("launch", "bundle", bundle).errors


def test_the_plan_has_dates(host: Host) -> None:
    answer = host.onyx("launch", "plan", "--date", "2026-12-15T09:00")

    assert answer.status == 0
    for moment in ("2026-12-08 09:00", "2026-12-15 07:00", "2026-12-22 09:00"):
        assert moment in answer.output


@pytest.mark.parametrize("date", ["soon", "0001-01-01", "9999-12-31"])
def test_a_date_that_nobody_can_plan_for_is_refused(host: Host, date: str) -> None:
    assert "is not a moment" in host.onyx("launch", "plan", "--date", date).errors
