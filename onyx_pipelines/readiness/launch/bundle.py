"""The evidence bundle: what a launch was decided by, in one file that another machine can judge.

It holds the checklist, the review with every fact, what people have shown, the leads' public keys
and the sign-offs that counted; a manifest with the SHA-256 of each, signed by the host. No secret.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, RootModel, ValidationError

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.readiness.launch.bundle_archive import pack, refused, unpack
from onyx_pipelines.readiness.launch.checklist import Checklist
from onyx_pipelines.readiness.launch.leads import LEADS, Lead
from onyx_pipelines.readiness.launch.signing_off import Digest, SignOff
from onyx_pipelines.readiness.launch.verdicts import LaunchReview
from onyx_pipelines.vault.public_keys import canonical_keyset
from onyx_pipelines.vault.records import Record, UtcDatetime, canonical_json
from onyx_pipelines.vault.signing import Signature, SigningKey

PLACE: Final = b"onyx-launch/1/bundle"
_EVIDENCE: Final = "evidence-"
_MANIFEST: Final = "manifest.json"
_SIGNATURE: Final = "signature.json"

_SignOffs = RootModel[tuple[SignOff, ...]]
_Leads = RootModel[tuple[Lead, ...]]
M = TypeVar("M", bound=BaseModel)


class BundledFile(Record):
    """One file, as it was put in."""

    size_bytes: int
    sha256: Digest

    @classmethod
    def of(cls, content: bytes) -> BundledFile:
        """What these bytes are."""
        return cls(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


class BundleManifest(Record):
    """What is in it, and where it is from.

    Args:
        as_of: of the newest thing in it: the same state makes the same bundle.
        versions: of the programs that made it.
        thresholds: from which figures on alerts fire there; the checklist asks by them.
    """

    format: Literal["onyx-launch-bundle"] = "onyx-launch-bundle"
    format_version: Literal[1] = 1
    as_of: UtcDatetime
    host: str
    stack: str
    commit: str
    versions: dict[str, str]
    thresholds: Thresholds
    files: dict[str, BundledFile]


@dataclass(frozen=True)
class Content:
    """What is decided by. `evidence`: the files that people have shown, by item."""

    asked: Checklist
    review: LaunchReview
    signoffs: tuple[SignOff, ...] = ()
    leads: tuple[Lead, ...] = ()
    evidence: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """One that was read. `files`: its members but manifest and signature, as bytes."""

    manifest: BundleManifest
    content: Content
    signature: Signature
    files: Mapping[str, bytes]

    @property
    def signed(self) -> bytes:
        """The bytes under its signature."""
        return _canonical(self.manifest)


def make_bundle(
    content: Content,
    key: SigningKey,
    *,
    host: str,
    versions: Mapping[str, str],
    thresholds: Thresholds,
) -> bytes:
    """The file. The same state gives the same bytes.

    Raises:
        LaunchBundleError: it is too large.
    """
    files = _files(content)
    moments = [content.review.at, *(each.signature.signed_at for each in content.signoffs)]
    manifest = BundleManifest(
        as_of=max(moments),
        host=host,
        stack=content.review.stack,
        commit=content.review.commit,
        versions=dict(versions),
        thresholds=thresholds,
        files={name: BundledFile.of(data) for name, data in files.items()},
    )
    body = _canonical(manifest)
    signed = key.sign(PLACE, body, at=manifest.as_of)
    return pack({**files, _MANIFEST: body, _SIGNATURE: _canonical(signed)})


def open_bundle(data: bytes) -> Bundle:
    """What a file says. That it is well formed says nothing of whether it is true.

    Raises:
        LaunchBundleError: it is no bundle, or has a byte that `make_bundle` would not write.
    """
    files = unpack(data)
    manifest = _read(files, _MANIFEST, BundleManifest)
    signature = _read(files, _SIGNATURE, Signature)
    content = Content(
        asked=_read(files, "checklist.json", Checklist),
        review=_read(files, "review.json", LaunchReview),
        signoffs=_read(files, "signoffs.json", _SignOffs).root,
        leads=_read(files, "leads.json", _Leads).root,
        evidence={
            name.removeprefix(_EVIDENCE): each
            for name, each in files.items()
            if name.startswith(_EVIDENCE)
        },
    )
    for lead in content.leads:
        if canonical_keyset(lead.public_keyset, LEADS.primitive) != lead.public_keyset:
            raise refused("has a lead whose public key is none")
    rest = {name: each for name, each in files.items() if name not in (_MANIFEST, _SIGNATURE)}
    if strange := sorted(rest.keys() - _files(content).keys()):
        raise refused(f"has {strange[0]}, which no bundle has")
    return Bundle(manifest, content, signature, rest)


def _files(content: Content) -> dict[str, bytes]:
    return {
        "checklist.json": _canonical(content.asked),
        "leads.json": _canonical(_Leads(content.leads)),
        "review.json": _canonical(content.review),
        "signoffs.json": _canonical(_SignOffs(_in_order(content.signoffs))),
        **{f"{_EVIDENCE}{item}": data for item, data in content.evidence.items()},
    }


def _in_order(signoffs: Sequence[SignOff]) -> tuple[SignOff, ...]:
    return tuple(sorted(signoffs, key=lambda each: each.statement.role))


def _canonical(model: BaseModel) -> bytes:
    return canonical_json(model.model_dump(mode="json"))


def _read(files: Mapping[str, bytes], name: str, kind: type[M]) -> M:
    if name not in files:
        raise refused(f"has no {name}")
    try:
        value: Any = json.loads(files[name])
        model = kind.model_validate_json(files[name])
        is_canonical = canonical_json(value) == files[name] == _canonical(model)
    except (ValidationError, ValueError, RecursionError, re.error) as error:
        raise refused(f"has a {name} that cannot be read ({type(error).__name__})") from None
    if not is_canonical:
        raise refused(f"has a {name} that was not written by this program")
    return model
