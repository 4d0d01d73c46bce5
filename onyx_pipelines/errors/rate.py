"""Which share of each service's requests failed, by Prometheus, against the week before.

What counts is what the recorded figures and the alert count (`monitoring.rules.recorded`): the rule
is said beside each figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import list_text, percent_text
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.errors.trackers.tracker import Window
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.monitoring.rules.recorded import BURN_WINDOWS, REQUESTS, error_ratio

WEEK: Final = timedelta(days=7)
# With fewer failed requests than these, a share says nothing.
FEW: Final = 5


class ServiceRate(BaseModel):
    """Of one service within the window.

    Args:
        requests: all of them; `excluded` have a status that is no error by the rule.
        share: of all requests, that failed; None: nobody asked anything, or it is not known.
        week_before: the same within the same hours a week before.
    """

    model_config = ConfigDict(frozen=True)

    service: str
    requests: float
    excluded: float
    share: float | None
    week_before: float | None

    @property
    def failed(self) -> float:
        """Requests, as Prometheus estimates them."""
        return self.requests * (self.share or 0.0)

    @property
    def share_with_excluded(self) -> float | None:
        """As if there were no rule."""
        if self.share is None:
            return None
        return self.share + (self.excluded / self.requests if self.requests else 0.0)

    def verdict(self, objective: float) -> Verdict:
        """Whether at most `objective` failed."""
        if self.share is None:
            return Verdict.COULD_NOT_VERIFY
        is_over = self.share > objective and self.failed > FEW
        return Verdict.FAILED if is_over else Verdict.PASSED


class ErrorRates(BaseModel):
    """Of all services. `rule`: which requests do not count."""

    model_config = ConfigDict(frozen=True)

    window: Window
    services: tuple[ServiceRate, ...]
    objective: float
    rule: str


def error_rates(prometheus: Prometheus, thresholds: Thresholds, window: Window) -> ErrorRates:
    """Raises PrometheusError: it cannot be asked."""
    span = f"{window.hours}h"
    share = (
        f"service:request_errors:ratio_rate{span}"
        if span in BURN_WINDOWS
        else error_ratio(thresholds, span)
    )
    excluded = "|".join(map(str, sorted(thresholds.excluded_statuses))) or "none"

    def of_each(query: str, at: datetime) -> dict[str, float]:
        found = prometheus.instant(query, at)
        return {each.labels.get("service", ""): each.points[0][1] for each in found}

    requests = of_each(_increase(REQUESTS, span), window.end)
    left_out = of_each(_increase(f'{REQUESTS}{{status=~"{excluded}"}}', span), window.end)
    now, before = of_each(share, window.end), of_each(share, window.end - WEEK)
    return ErrorRates(
        window=window,
        services=tuple(
            ServiceRate(
                service=service,
                requests=count,
                excluded=left_out.get(service, 0.0),
                share=now.get(service),
                week_before=before.get(service),
            )
            for service, count in sorted(requests.items())
        ),
        objective=thresholds.error_share,
        rule=rule_text(thresholds.excluded_statuses),
    )


def rule_text(statuses: Sequence[int]) -> str:
    """For beside a figure: "without 404 and 429"."""
    if not statuses:
        return "of every 4xx and 5xx"
    return f"without {list_text([str(each) for each in sorted(statuses)])}"


def rate_answer(rates: ErrorRates) -> tuple[Verdict, str]:
    """What the check says; the same sentence for as long as the same services are over."""
    verdict = worst(each.verdict(rates.objective) for each in rates.services)
    limit = f"{percent_text(rates.objective, 1)} {rates.rule}"
    if not rates.services:
        return verdict, "Prometheus knows of no request."
    named = list_text([e.service for e in rates.services if e.verdict(rates.objective) is verdict])
    if verdict is Verdict.PASSED:
        return verdict, f"No service fails more than {limit}."
    if verdict is Verdict.FAILED:
        return verdict, f"Above {limit}: {named}."
    return verdict, f"Nobody asked anything of {named}."


def change_text(rate: ServiceRate) -> str:
    """Against the week before."""
    if rate.share is None or rate.week_before is None:
        return "not known"
    points = 100 * (rate.share - rate.week_before)
    if abs(points) < 0.05:
        return "as a week before"
    return f"{abs(points):.1f} points {'more' if points > 0 else 'less'} than a week before"


def _increase(series: str, span: str) -> str:
    return f"sum by (service) (increase({series}[{span}]))"
