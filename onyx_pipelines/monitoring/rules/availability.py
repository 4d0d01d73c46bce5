"""Is everything there, and does it answer?"""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.deployment import Deployment
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity

_PLAYBOOKS = {
    "litellm": Playbook.LLM_DOWN,
    "postgresql": Playbook.DATABASE_FAILURE,
    "redis": Playbook.DATABASE_FAILURE,
    "qdrant": Playbook.VECTOR_CORRUPTION,
}


def availability(thresholds: Thresholds, deployment: Deployment) -> list[Group]:
    """One alert for each service: it names it, and links to what to do about this one."""
    down = [_down(each.job, each.service) for each in deployment.core]
    probed = [_unreachable(each.service) for each in deployment.probed]
    return [
        Group("onyx-availability", [*down, *probed, *_dependencies()]),
        Group("onyx-certificates", _certificates(thresholds.certificate_days)),
    ]


def _down(job: str, service: str) -> Alert:
    name = "".join(part.capitalize() for part in service.split("-"))
    return Alert(
        f"{name}Down",
        f'up{{job="{job}"}} == 0 or absent(up{{job="{job}"}})',
        "30s",
        Severity.CRITICAL,
        _PLAYBOOKS.get(service, Playbook.HIGH_RESOURCE_USAGE),
        Board.OVERVIEW,
        f"{service} does not answer",
        f"Prometheus has had no metrics of {service} for 30 seconds. See whether its container"
        " runs, then its log.",
        service=service,
    )


def _unreachable(service: str) -> Alert:
    name = "".join(part.capitalize() for part in service.split("-"))
    return Alert(
        f"{name}Unreachable",
        f'probe_success{{service="{service}"}} == 0',
        "1m",
        Severity.CRITICAL,
        Playbook.HIGH_RESOURCE_USAGE,
        Board.OVERVIEW,
        f"{service} does not answer as a person would ask it",
        f"The address of {service} that people use gave no good answer for a minute, whatever its"
        " metrics say.",
        service=service,
    )


def _dependencies() -> list[Alert]:
    found = []
    for service, gauge in (("postgresql", "pg_up"), ("redis", "redis_up"), ("nginx", "nginx_up")):
        found.append(
            Alert(
                f"{service.capitalize()}Unhealthy",
                f"{gauge} == 0",
                "30s",
                Severity.CRITICAL,
                _PLAYBOOKS.get(service, Playbook.HIGH_RESOURCE_USAGE),
                Board.INFRASTRUCTURE,
                f"{service} refuses its exporter",
                f"The exporter answers, and cannot reach {service}: it is down, or its password"
                " was changed.",
                service=service,
            )
        )
    return found


def _certificates(days: int) -> list[Alert]:
    left = "(probe_ssl_earliest_cert_expiry - time()) / 86400"
    text = "It ends in {{ $value | humanize }} days. Renew it, and see why that did not happen."
    return [
        Alert(
            "CertificateExpiring",
            f"{left} < {days} and {left} >= 3",
            "1h",
            Severity.WARNING,
            Playbook.CERTIFICATE_EXPIRY,
            Board.INFRASTRUCTURE,
            "The certificate of {{ $labels.service }} ends soon",
            text,
        ),
        Alert(
            "CertificateAboutToEnd",
            f"{left} < 3",
            "5m",
            Severity.CRITICAL,
            Playbook.CERTIFICATE_EXPIRY,
            Board.INFRASTRUCTURE,
            "The certificate of {{ $labels.service }} ends within three days",
            text,
        ),
    ]
