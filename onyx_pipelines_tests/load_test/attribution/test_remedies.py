"""What a remedy is predicted to bring is what the simulated system does once it is applied."""

from dataclasses import replace

import pytest

from onyx_pipelines.load_test.facts import RemedyKind
from onyx_pipelines_tests.load_test.attribution.injected import inject
from onyx_pipelines_tests.load_test.attribution.measuring import explained, measured_mean_ms

pytestmark = pytest.mark.slow

SEEDS = (61, 62, 63)


def _predicted(answer, kind):
    remedy = next(each for each in answer.remedies if each.kind is kind)
    return remedy.gains[0], remedy.figures


@pytest.mark.parametrize("seed", SEEDS)
def test_a_larger_pool_brings_what_is_predicted(seed):
    injected = inject("small pool", seed)
    gain, figures = _predicted(explained(injected, seed), RemedyKind.MORE_CONNECTIONS)
    larger = replace(injected.system, db_pool=figures["servers"])

    measured_ms = measured_mean_ms(larger, 32, seed + 1)

    assert gain.predicted == pytest.approx(measured_ms, rel=0.2)
    assert gain.now > 1.3 * gain.predicted


@pytest.mark.parametrize("seed", SEEDS)
def test_the_recommended_pool_leaves_hardly_any_queue(seed):
    injected = inject("small pool", seed)
    _, figures = _predicted(explained(injected, seed), RemedyKind.MORE_CONNECTIONS)
    larger = replace(injected.system, db_pool=figures["servers"])

    measured_ms = measured_mean_ms(larger, 32, seed + 1)

    assert measured_ms < 1.15 * measured_mean_ms(injected.healthy, 32, seed + 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_section_without_its_lock_brings_what_is_predicted(seed):
    injected = inject("serial section", seed)
    gain, _ = _predicted(explained(injected, seed), RemedyKind.NO_LOCK)
    waits_ms = injected.system.app_wait_ms + injected.system.section_ms
    unlocked = replace(injected.system, section_ms=0.0, app_wait_ms=waits_ms)

    measured_ms = measured_mean_ms(unlocked, 32, seed + 1)

    assert gain.predicted == pytest.approx(measured_ms, rel=0.2)
    assert gain.now > 1.3 * gain.predicted


@pytest.mark.parametrize("seed", SEEDS)
def test_a_section_half_as_long_brings_what_is_predicted(seed):
    injected = inject("serial section", seed)
    gain, _ = _predicted(explained(injected, seed), RemedyKind.SHORTER_LOCK)
    halved = replace(injected.system, section_ms=injected.system.section_ms / 2)

    measured_ms = measured_mean_ms(halved, 32, seed + 1)

    assert gain.predicted == pytest.approx(measured_ms, rel=0.2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["slow llm", "slow vector", "slow db"])
def test_a_dependency_back_to_its_old_speed_brings_what_is_predicted(kind, seed):
    injected = inject(kind, seed)
    gain, _ = _predicted(explained(injected, seed), RemedyKind.AS_IT_WAS)

    measured_ms = measured_mean_ms(injected.healthy, 32, seed + 1)

    assert gain.predicted == pytest.approx(measured_ms, rel=0.2)


@pytest.mark.parametrize("seed", SEEDS)
def test_more_calls_at_once_bring_what_is_predicted(seed):
    injected = inject("caller limit", seed)
    gain, figures = _predicted(explained(injected, seed), RemedyKind.MORE_CALLS)
    wider = replace(injected.system, llm_connections=figures["servers"])

    measured_ms = measured_mean_ms(wider, 32, seed + 1)

    assert gain.predicted == pytest.approx(measured_ms, rel=0.2)


def test_the_interval_of_a_gain_contains_the_prediction():
    answer = explained(inject("small pool", 64), 64)

    gains = [gain for remedy in answer.remedies for gain in remedy.gains]
    assert {gain.unit for gain in gains} == {"ms", "1/s"}
    assert all(gain.interval.low < gain.predicted < gain.interval.high for gain in gains)
