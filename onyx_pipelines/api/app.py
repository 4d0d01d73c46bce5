"""The endpoints, each a line over `operations`; paths, fields and enums are those of the spec."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request, Response, Security
from fastapi.responses import FileResponse

from onyx_pipelines import __version__
from onyx_pipelines.api.access import Access
from onyx_pipelines.api.admission import BASIC, Admitted, Asking, router_for
from onyx_pipelines.api.dagster_client import DagsterClient
from onyx_pipelines.api.description_page import add_description_page
from onyx_pipelines.api.guard import Guard
from onyx_pipelines.api.launching import Launcher
from onyx_pipelines.api.metrics_page import MEDIA_TYPE as METRICS_MEDIA_TYPE
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.api.models import (
    ID_PATTERN,
    BackupStatus,
    BaselineAnswer,
    ChannelAnswer,
    ChannelsAnswer,
    Health,
    HoldRequest,
    LoadTestAnswer,
    LoadTestRequest,
    LoadTestResults,
    MetricsHealth,
    MetricsSummary,
    PromoteRequest,
    RestoreAnswer,
    RestoreRequest,
    RunAnswer,
    SetAnswer,
    SetsAnswer,
    TriggerAnswer,
    TriggerRequest,
    VerifyRequest,
)
from onyx_pipelines.api.operations import Operations
from onyx_pipelines.api.problems import (
    MEDIA_TYPE,
    Problem,
    ProblemError,
    install_handlers,
)
from onyx_pipelines.api.prometheus import Prometheus
from onyx_pipelines.api.readings import Readings
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.audit import audited
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.notify.configured import channel_states

_REPORTS = {"restore-drills": "restore-drills", "load-test": "load-test"}
# Reports are one file, without a script.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_KNOWN_PROBLEMS = (400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 503, 504)
_RUN_PATTERN = r"^[0-9a-f-]{8,36}$"

BackupId = Annotated[str, Path(pattern=ID_PATTERN, description="A lower-case UUID.")]
RunId = Annotated[str, Path(pattern=_RUN_PATTERN)]


def create_app(settings: Settings) -> FastAPI:
    """The application of this host; it connects to nothing before it is asked something."""
    dagster = DagsterClient(settings)
    launcher = Launcher(settings, dagster)
    readings = Readings(settings, dagster)
    operations = Operations(settings, dagster, launcher, readings)
    access = Access(settings)
    page = MetricsPage(settings, readings.catalog)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        launcher.tidy_up_soon()
        yield
        launcher.close()
        dagster.close()

    app = FastAPI(
        title="onyx-pipelines",
        version=__version__,
        description="Backups, restores, drills and load tests of one host. Sign in with a token"
        " (`onyx api token create`).",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        responses={
            status: {"model": Problem, "content": {MEDIA_TYPE: {}}} for status in _KNOWN_PROBLEMS
        },
    )
    install_handlers(app)
    add_description_page(app)
    app.add_middleware(Guard, access=access, timeout_s=settings.api_request_timeout_s)
    reads, operates, restores = (router_for(access, scope) for scope in Scope)

    @app.get("/api/health")
    async def health() -> Health:
        """Whether this process answers; needs no token."""
        return Health(version=__version__)

    @operates.post("/api/backup/trigger")
    def trigger(wanted: TriggerRequest, asked: Asking) -> TriggerAnswer:
        """Start a backup, unless one runs."""
        return operations.trigger(wanted, asked)

    @reads.get("/api/backup/status/{backup_id}")
    def backup_status(backup_id: BackupId) -> BackupStatus:
        """How far a backup is."""
        return readings.backup_status(backup_id)

    @reads.get("/api/backup/sets")
    def sets(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> SetsAnswer:
        """Finished sets, the newest first, and what a person should look at."""
        return readings.sets(offset, limit)

    @reads.get("/api/backup/sets/{backup_id}")
    def one_set(backup_id: BackupId) -> SetAnswer:
        """What a finished set holds, and where it is."""
        return readings.set(backup_id)

    @operates.put("/api/backup/sets/{backup_id}/hold")
    def hold(backup_id: BackupId, wanted: HoldRequest, caller: Admitted) -> SetAnswer:
        """Keep a set whatever retention says."""
        with audited(
            settings, action="api hold", origin=caller.origin, backup_id=backup_id, copy=False,
            parameters={"reason": wanted.reason},
        ):  # fmt: skip
            open_host(settings).catalog.hold(backup_id, wanted.reason, now=datetime.now(UTC))
        readings.catalog.forget()
        return readings.set(backup_id)

    @operates.delete("/api/backup/sets/{backup_id}/hold")
    def release(backup_id: BackupId, caller: Admitted) -> SetAnswer:
        """Undo a hold."""
        with audited(
            settings, action="api release", origin=caller.origin, backup_id=backup_id, copy=False
        ):
            open_host(settings).catalog.release(backup_id)
        readings.catalog.forget()
        return readings.set(backup_id)

    @restores.post("/api/backup/restore/{backup_id}")
    def restore(backup_id: BackupId, wanted: RestoreRequest, asked: Asking) -> RestoreAnswer:
        """Restore a set over what is there; without `confirm` the plan is answered."""
        return operations.restore(backup_id, wanted, asked)

    @operates.post("/api/backup/drill/{backup_id}")
    def drill(backup_id: BackupId, asked: Asking) -> RunAnswer:
        """Restore a set into scratch and compare it."""
        return operations.drill(backup_id, asked)

    @operates.post("/api/backup/verify/{backup_id}")
    def verify(backup_id: BackupId, wanted: VerifyRequest, asked: Asking) -> RunAnswer:
        """Read a set back from the stores and compare every object with the manifest."""
        return operations.verify(backup_id, wanted, asked)

    @reads.get("/api/runs/{run_id}")
    def run(run_id: RunId) -> RunAnswer:
        """A restore, a drill, or any run."""
        return readings.run_state(run_id)

    @operates.post("/api/runs/{run_id}/cancel")
    def cancel(run_id: RunId, caller: Admitted) -> RunAnswer:
        """Stop a run; what it has begun is cleaned up by it."""
        return operations.cancel(run_id, caller)

    @operates.post("/api/load-test/start")
    def start_load_test(wanted: LoadTestRequest, asked: Asking) -> LoadTestAnswer:
        """Start a load test of one scenario."""
        return operations.start_load_test(wanted, asked)

    @reads.get("/api/load-test/results/{test_id}")
    def load_test_results(test_id: RunId) -> LoadTestResults:
        """What a load test found; the latency is that of whole answers."""
        return readings.load_test_results(test_id)

    @operates.post("/api/load-test/baseline")
    def promote(wanted: PromoteRequest, caller: Admitted) -> BaselineAnswer:
        """Compare later load tests with this one."""
        return operations.promote(wanted.test_id, wanted.reason, caller)

    @reads.get("/api/metrics/health")
    def metrics_health() -> MetricsHealth:
        """Whether Prometheus collects."""
        return Prometheus(settings.prometheus_url).health()

    @reads.get("/api/metrics/summary")
    def metrics_summary() -> MetricsSummary:
        """Key figures, computed by Prometheus."""
        found = Prometheus(settings.prometheus_url).summary(datetime.now(UTC))
        whole = {name: None if value is None else round(value) for name, value in found.items()}
        return MetricsSummary(
            uptime_percentage=found["uptime_percentage"],
            avg_response_time_ms=found["avg_response_time_ms"],
            error_rate_percent=found["error_rate_percent"],
            active_users=whole["active_users"],
            tasks_completed_today=whole["tasks_completed_today"],
        )

    @reads.get("/api/notifications")
    def notifications() -> ChannelsAnswer:
        """The channels that are configured, and what they have not taken."""
        states = channel_states(settings)
        return ChannelsAnswer(
            channels=[ChannelAnswer.model_validate(asdict(state)) for state in states]
        )

    @app.get(
        "/metrics",
        dependencies=[Security(BASIC)],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "For Prometheus."}},
    )
    def metrics(request: Request) -> Response:
        """What Prometheus should know; basic authentication."""
        access.admit_metrics(request)
        return Response(page.render(), media_type=METRICS_MEDIA_TYPE)

    @reads.get(
        "/api/reports/{kind}/latest",
        response_class=FileResponse,
        responses={200: {"content": {"text/html": {}}, "description": "The page."}},
    )
    def report(kind: Annotated[str, Path(pattern="^(restore-drills|load-test)$")]) -> FileResponse:
        """The newest report, as a page."""
        page = settings.reports_dir / _REPORTS[kind] / "latest" / "report.html"
        if not page.is_file():
            raise ProblemError(404, f"There is no report of {kind} yet.", remedy="Run one first.")
        headers = {"Content-Security-Policy": _REPORT_POLICY}
        return FileResponse(page, media_type="text/html", headers=headers)

    for router in (reads, operates, restores):
        app.include_router(router)
    return app
