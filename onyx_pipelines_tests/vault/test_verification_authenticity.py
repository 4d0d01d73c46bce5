"""What fits itself may yet be forged: what a key or a signature adds to a verification."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.authenticity import vouched_for
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.manifest import component_checksum, to_bytes
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.verification import ObjectVerdict, verify
from onyx_pipelines.vault.wrapping import new_mac_keyset
from onyx_pipelines_tests.vault.sets import make_key, signers, signing_key
from onyx_pipelines_tests.vault.verified_sets import DUMP, Sample, original, sample

__all__ = ["original", "sample"]


def forged(sample: Sample) -> None:
    """An object and a manifest that fit each other, by someone with access to the store alone."""
    sample.path(DUMP).write_bytes(sample.path(DUMP, sample.older).read_bytes())
    theirs = sample.older.component(Component.POSTGRESQL)
    ours = sample.manifest.component(Component.POSTGRESQL)
    assert theirs
    assert ours
    objects = tuple(
        next(o for o in theirs.objects if o.key == DUMP) if item.key == DUMP else item
        for item in ours.objects
    )
    component = ours.model_copy(
        update={"objects": objects, "checksum": component_checksum(objects)}
    )
    components = sample.manifest.components | {"postgresql": component}
    manifest = sample.manifest.model_copy(update={"components": components})
    sample.store.put(
        manifest_key(manifest.backup_id),
        to_bytes(vouched_for(manifest, new_mac_keyset(), signing_key("a stranger"))),
    )


def test_a_forgery_that_fits_itself_is_found_with_a_key(sample: Sample) -> None:
    forged(sample)

    assert sample.problem_keys() == {"manifest.json"}


def test_a_forgery_that_fits_itself_cannot_be_found_without_a_key(sample: Sample) -> None:
    forged(sample)

    verification = verify(sample.store, sample.manifest.backup_id)

    assert verification.intact
    assert not verification.authenticated


@pytest.mark.parametrize("known", [Signers(), signers("somebody else")])
def test_a_set_whose_signer_is_not_known_is_intact_and_not_ok(
    sample: Sample, known: Signers
) -> None:
    verification = verify(
        sample.store, sample.manifest.backup_id, sample.pair.private, signers=known
    )

    assert (verification.intact, verification.authenticated, verification.ok) == (
        True,
        False,
        False,
    )
    assert verification.verdict == "not authenticated"
    assert "is not among the signers" in verification.reservation


def test_a_signature_authenticates_without_any_key(sample: Sample) -> None:
    verification = verify(sample.store, sample.manifest.backup_id, signers=signers())

    assert verification.ok
    assert verification.reservation == ""


def test_a_manifest_that_was_edited_after_it_was_signed_is_damaged(sample: Sample) -> None:
    edited = sample.manifest.model_copy(update={"host": "another"})
    sample.store.put(manifest_key(edited.backup_id), to_bytes(edited))

    verification = verify(sample.store, edited.backup_id, signers=signers())

    assert [each.key for each in verification.problems] == ["manifest.json"]
    assert verification.verdict == "damaged"


def test_a_checksum_that_does_not_fit_its_objects_is_found_without_a_key(sample: Sample) -> None:
    volumes = sample.manifest.components["docker_volumes"]
    components = sample.manifest.components | {
        "docker_volumes": volumes.model_copy(update={"checksum": "0" * 64})
    }
    edited = sample.manifest.model_copy(update={"components": components})
    sample.store.put(manifest_key(edited.backup_id), to_bytes(edited))

    (verdict,) = verify(sample.store, edited.backup_id).problems

    assert verdict == ObjectVerdict(
        "manifest.json", "The checksum of docker_volumes does not fit its objects."
    )


def test_a_key_that_cannot_open_the_set_is_told_and_objects_are_still_checked(
    tmp_path: Path, sample: Sample
) -> None:
    sample.path(DUMP).unlink()

    verification = verify(
        sample.store, sample.manifest.backup_id, make_key(tmp_path, "stranger").private
    )

    assert [verdict.key for verdict in verification.problems] == ["manifest.json", DUMP]
    assert "is not sealed to the key 'stranger'" in (verification.problems[0].problem or "")
    assert not verification.authenticated
