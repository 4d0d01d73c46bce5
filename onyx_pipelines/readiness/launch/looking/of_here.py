"""What is asked once for all items: the stack's health, `onyx doctor`, the Compose files; and what
the settings and people say."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from onyx_pipelines.backup.doctor import CheckResult
from onyx_pipelines.core.settings import HostSettings, Settings
from onyx_pipelines.core.text import list_text
from onyx_pipelines.health.verdict import StackHealth
from onyx_pipelines.readiness.launch.checklist import Item
from onyx_pipelines.readiness.launch.evidence import EvidenceFolder
from onyx_pipelines.readiness.launch.facts import (
    SeenCheck,
    SeenChecks,
    SeenEvidence,
    SeenHealth,
    SeenSettings,
)
from onyx_pipelines.readiness.launch.looking.unable import UnableError
from onyx_pipelines.readiness.launch.verification import (
    Automatic,
    Manual,
    OfDoctor,
    OfHealth,
    OfSettings,
    SettingName,
    setting_words,
)


def health(found: StackHealth, asked: OfHealth) -> SeenHealth:
    """Of one area."""
    finding = next(each for each in found.findings if each.area is asked.area)
    return SeenHealth(condition=finding.condition, summary=finding.summary, action=finding.action)


def doctor(found: Sequence[CheckResult], asked: OfDoctor) -> SeenChecks:
    """Those whose names begin as asked."""
    return SeenChecks(
        checks=tuple(
            SeenCheck(name=each.name, ok=each.ok, detail=each.detail, remedy=each.remedy)
            for each in found
            if each.name.startswith(asked.checks)
        )
    )


def settings_given(settings: Settings, asked: OfSettings) -> SeenSettings:
    """By their names, never by their values."""
    given = [name for name in asked.any_of if is_given(settings, name)]
    return SeenSettings(
        given=tuple(map(setting_words, given)),
        missing=tuple(setting_words(name) for name in asked.any_of if name not in given),
    )


def is_given(settings: Settings, name: SettingName) -> bool:
    """Whether it has a value that is not empty; of the list of stores, whether each has one but
    the first, which is this host's own."""
    whole, _, part = name.partition(".")
    value = getattr(settings, whole)
    if part:
        each = value[1:] if isinstance(value, tuple) else (value,)
        return bool(each) and all(getattr(one, part) for one in each)
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def missing_settings(settings: Settings, asked: Automatic) -> str:
    """What has to be set before it can be looked at; empty: nothing."""
    missing = [name for name in asked.needed if not is_given(settings, name)]
    if missing:
        return list_text([setting_words(name) for name in missing])
    if asked.needs_one_of and not any(is_given(settings, each) for each in asked.needs_one_of):
        return " or ".join(map(setting_words, asked.needs_one_of))
    return ""


def evidence(settings: HostSettings, item: Item, asked: Manual) -> SeenEvidence:
    """What a person has shown.

    Raises:
        UnableError: nobody has shown anything.
        EvidenceError: it cannot be read.
    """
    found = EvidenceFolder(settings).of(item)
    if found is None:
        raise UnableError("Nobody has shown it yet:", remedy=asked.evidence)
    return found.seen()
