"""Signing keys and what their signatures prove: by whom, of what, where, and when."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import KeyFileError
from onyx_pipelines.vault.authenticity import distrust_of, signed
from onyx_pipelines.vault.manifest import Manifest, parse_manifest, to_bytes
from onyx_pipelines.vault.signing import (
    DistrustReason,
    Signature,
    Signers,
    check_signing_key,
    create_signing_key,
    load_signing_key,
)
from onyx_pipelines_tests.vault.sets import (
    make_key,
    make_store,
    new_id,
    signers,
    signing_key,
    write_set,
)

PLACE, BODY = b"place", b"body"
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("set")
    return write_set(make_store(folder / "store"), make_key(folder).recipient)


def why(believed: Signers, signature: Signature | None) -> DistrustReason | None:
    distrust = believed.distrust(signature, PLACE, BODY)
    return distrust.reason if distrust else None


def why_not(manifest: Manifest, believed: Signers, backup_id: str = "") -> DistrustReason | None:
    distrust = distrust_of(manifest, backup_id or manifest.backup_id, believed)
    return distrust.reason if distrust else None


class TestTheKey:
    def test_its_file_is_for_its_owner_only_and_gives_the_same_signer(self, tmp_path: Path) -> None:
        signer = create_signing_key(tmp_path / "key", "Größe")

        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
        assert load_signing_key(tmp_path / "key").signer == signer

    def test_an_existing_file_is_never_overwritten(self, tmp_path: Path) -> None:
        create_signing_key(tmp_path / "key", "host")

        with pytest.raises(KeyFileError, match="never overwritten"):
            create_signing_key(tmp_path / "key", "again")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
    def test_a_file_open_to_others_is_refused(self, tmp_path: Path, mode: int) -> None:
        create_signing_key(tmp_path / "key", "host")
        (tmp_path / "key").chmod(mode)

        with pytest.raises(KeyFileError, match=f"signing key .*mode {mode:04o}"):
            load_signing_key(tmp_path / "key")

    @pytest.mark.parametrize(
        "edit",
        [{"private_keyset": "{}"}, {"signer_id": "0" * 16}, {"format": "onyx-private-key"}],
    )
    def test_a_file_that_is_no_signing_key_is_named(
        self, tmp_path: Path, edit: dict[str, str]
    ) -> None:
        path = tmp_path / "key"
        create_signing_key(path, "host")
        path.write_text(json.dumps(json.loads(path.read_text()) | edit))

        with pytest.raises(KeyFileError, match="key is not a signing key"):
            load_signing_key(path)

    def test_a_private_key_does_not_sign(self, tmp_path: Path) -> None:
        pair = make_key(tmp_path)

        with pytest.raises(KeyFileError, match="is not a signing key"):
            load_signing_key(pair.path)

    def test_no_error_or_repr_carries_the_secret(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        create_signing_key(path, "host")
        key, content = load_signing_key(path), json.loads(path.read_text())
        secret = json.loads(content["private_keyset"])["key"][0]["keyData"]["value"]
        path.write_text(json.dumps(content | {"signer_id": "0" * 16}))

        with pytest.raises(KeyFileError) as caught:
            load_signing_key(path)

        shown = "".join(traceback.format_exception(caught.value)) + repr(key)
        assert secret not in shown

    def test_a_key_that_is_not_among_the_signers_is_refused_before_it_signs(self) -> None:
        with pytest.raises(KeyFileError, match=r"'stranger'.*not among the signers"):
            check_signing_key(signing_key("stranger"), signers())


class TestASignature:
    def test_counts_by_a_signer_that_is_listed(self) -> None:
        assert why(signers(), signing_key().sign(PLACE, BODY)) is None

    @pytest.mark.parametrize(
        ("place", "body"), [(b"elsewhere", BODY), (PLACE, b"other"), (b"", PLACE + BODY)]
    )
    def test_holds_nowhere_else_and_for_nothing_else(self, place: bytes, body: bytes) -> None:
        assert why(signers(), signing_key().sign(place, body)) is DistrustReason.FORGED

    def test_of_a_stranger_names_who_it_says_to_be(self) -> None:
        stranger = signing_key("stranger")

        distrust = signers().distrust(stranger.sign(PLACE, BODY), PLACE, BODY)

        assert distrust
        assert distrust.reason is DistrustReason.UNKNOWN_SIGNER
        assert f"'stranger' ({stranger.signer.id})" in distrust.what

    def test_in_a_signers_name_by_another_key_does_not_hold(self) -> None:
        forged, ours = signing_key("stranger").sign(PLACE, BODY), signing_key().signer
        as_ours = {"signer_id": ours.id, "signer_name": ours.name}

        assert why(signers(), forged.model_copy(update=as_ours)) is DistrustReason.FORGED

    @pytest.mark.parametrize(
        ("moment", "expected"),
        [(AT - timedelta(seconds=1), None), (AT, DistrustReason.RETIRED_SIGNER)],
    )
    def test_of_a_retired_signer_counts_if_it_was_made_before(
        self, moment: datetime, expected: DistrustReason | None
    ) -> None:
        retired = Signers((signing_key().signer.model_copy(update={"retired_at": AT}),))

        assert why(retired, signing_key().sign(PLACE, BODY, at=moment)) is expected

    def test_cannot_be_dated_back(self) -> None:
        retired = Signers((signing_key().signer.model_copy(update={"retired_at": AT}),))
        later = signing_key().sign(PLACE, BODY, at=AT)

        dated_back = later.model_copy(update={"signed_at": AT - timedelta(days=1)})

        assert why(retired, dated_back) is DistrustReason.FORGED

    def test_where_there_is_none_nobody_has_signed(self) -> None:
        assert why(signers(), None) is DistrustReason.UNSIGNED

    @pytest.mark.parametrize("name", ["signer_name", "public_keyset"])
    def test_covers_what_it_says_of_its_signer(self, name: str) -> None:
        changed = signing_key().sign(PLACE, BODY).model_copy(update={name: "other"})

        assert why(signers(), changed) is DistrustReason.FORGED

    def test_offers_its_signer_only_if_key_and_id_fit(self) -> None:
        signature = signing_key("stranger").sign(PLACE, BODY)
        wrong = signature.model_copy(update={"signer_id": "0" * 16})

        assert signature.offered_signer() == signing_key("stranger").signer
        assert wrong.offered_signer() is None

    @pytest.mark.parametrize("text", ["", "{}", "[1]", "{" * 50, '{"key": 1}', '{"key": [null]}'])
    def test_offers_nobody_where_its_key_is_nonsense(self, text: str) -> None:
        signature = signing_key().sign(PLACE, BODY).model_copy(update={"public_keyset": text})

        assert signature.offered_signer() is None


class TestAManifest:
    def test_counts_as_its_host_wrote_it(self, manifest: Manifest) -> None:
        assert why_not(manifest, signers()) is None

    def test_under_another_id_is_misplaced(self, manifest: Manifest) -> None:
        assert why_not(manifest, signers(), new_id()) is DistrustReason.MISPLACED

    def test_given_another_id_does_not_hold(self, manifest: Manifest) -> None:
        moved = manifest.model_copy(update={"backup_id": new_id()})

        assert why_not(moved, signers()) is DistrustReason.FORGED

    def test_is_not_trusted_where_nobody_is(self, manifest: Manifest) -> None:
        assert why_not(manifest, Signers()) is DistrustReason.UNKNOWN_SIGNER

    def test_of_the_format_without_signatures_is_unsigned_and_reads_back(
        self, manifest: Manifest
    ) -> None:
        old = manifest.model_copy(update={"format_version": 1, "signature": None})

        assert parse_manifest(to_bytes(old)) == old
        assert b"signature" not in to_bytes(old)
        assert why_not(old, signers()) is DistrustReason.UNSIGNED

    def test_signed_again_counts_for_whoever_believes_the_last_one(
        self, manifest: Manifest
    ) -> None:
        again = signed(manifest, signing_key("other host"))

        assert why_not(again, signers()) is DistrustReason.UNKNOWN_SIGNER
        assert why_not(again, signers("other host")) is None

    @settings(deadline=None, max_examples=150)
    @given(data=st.data())
    def test_no_value_anywhere_in_it_can_change(
        self, manifest: Manifest, data: st.DataObject
    ) -> None:
        document = json.loads(to_bytes(manifest))
        path = data.draw(st.sampled_from(sorted(_leaves(document), key=str)))
        _change(document, path, data)
        try:
            changed = Manifest.model_validate(document)
        except ValueError:
            return  # no manifest at all

        assert changed == manifest or why_not(changed, signers()) is not None


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[str | int, ...]] = []
    for key, each in inner:
        if isinstance(each, dict | list) and each:
            found += _leaves(each, (*path, key))
        else:
            found.append((*path, key))
    return found


def _change(document: Any, path: tuple[str | int, ...], data: st.DataObject) -> None:
    for key in path[:-1]:
        document = document[key]
    present = document[path[-1]]
    if isinstance(present, str):
        place = data.draw(st.integers(0, max(0, len(present) - 1)))
        character = data.draw(st.sampled_from("0123456789abcdefgA+/=-Z"))
        document[path[-1]] = present[:place] + character + present[place + 1 :]
    elif isinstance(present, int | float):
        document[path[-1]] = present + data.draw(st.integers(-2, 2))
    else:
        document[path[-1]] = ["qdrant"]
