"""The application: every resource's endpoints, behind one guard; paths, fields and enums are those
of the spec."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from onyx_pipelines import __version__
from onyx_pipelines.api.acknowledging import add_acknowledging
from onyx_pipelines.api.backups import add_backups
from onyx_pipelines.api.description_page import add_description_page
from onyx_pipelines.api.guard import Guard
from onyx_pipelines.api.health import add_health
from onyx_pipelines.api.incident_watch import IncidentWatch
from onyx_pipelines.api.incidents import add_incidents
from onyx_pipelines.api.launch_review import add_launch_review
from onyx_pipelines.api.load_tests import add_load_tests
from onyx_pipelines.api.metrics import add_metrics
from onyx_pipelines.api.notifications import add_notifications
from onyx_pipelines.api.problems import MEDIA_TYPE, Problem, install_handlers
from onyx_pipelines.api.reports import add_reports
from onyx_pipelines.api.restores import add_restores
from onyx_pipelines.api.runs import add_runs
from onyx_pipelines.api.stack_health import add_stack_health
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.api.verifications import add_verifications
from onyx_pipelines.core.settings import Settings

_KNOWN_PROBLEMS = (400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 503, 504)


def create_app(*of: Settings) -> FastAPI:
    """The application of this host's stacks; it connects to nothing before it is asked something.

    Raises:
        SettingsError: the stacks disagree about something that there is once.
    """
    stacks = Stacks(of)
    watch = IncidentWatch([each.settings for each in stacks.services])

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        for service in stacks.services:
            service.launcher.tidy_up_soon()
        if stacks.shared.metrics_password.get_secret_value():
            page.begin()
        watch.begin()
        yield
        watch.end()
        page.end()
        for service in stacks.services:
            service.close()

    app = FastAPI(
        title="onyx-pipelines",
        version=__version__,
        description="Backups, restores, drills and load tests of one host. Sign in with a token"
        " (`onyx api token create`). Where it serves several stacks, every request but those for"
        " /metrics and /api/health names one: `?stack=NAME`.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        responses={
            status: {"model": Problem, "content": {MEDIA_TYPE: {}}} for status in _KNOWN_PROBLEMS
        },
    )
    install_handlers(app)
    add_description_page(app)
    app.add_middleware(Guard, access=stacks.access, timeout_s=stacks.shared.api_request_timeout_s)
    add_health(app, stacks)
    add_backups(stacks)
    add_restores(stacks)
    add_verifications(stacks)
    add_runs(stacks)
    add_load_tests(stacks)
    page = add_metrics(app, stacks)
    add_stack_health(app, stacks)
    add_launch_review(stacks)
    add_notifications(stacks)
    add_reports(stacks)
    add_incidents(stacks, watch)
    add_acknowledging(app, stacks, watch)
    for router in (stacks.alerts, stacks.reads, stacks.operates, stacks.restores):
        app.include_router(router)
    return app
