"""`/api/reports`: the newest pages for people."""

from typing import Annotated, Final

from fastapi import Path
from fastapi.responses import FileResponse

from onyx_pipelines.api.admission import OfStack
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.stacks import Stacks

# Reports are one file, without a script.
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_KINDS: Final = "^(restore-drills|load-test|service-availability|error-digest|incidents)$"


def add_reports(stacks: Stacks) -> None:
    @stacks.reads.get(
        "/api/reports/{kind}/latest",
        response_class=FileResponse,
        responses={200: {"content": {"text/html": {}}, "description": "The page."}},
    )
    def report(service: OfStack, kind: Annotated[str, Path(pattern=_KINDS)]) -> FileResponse:
        """The newest report, as a page."""
        page = service.settings.reports_dir / kind / "latest" / "report.html"
        if not page.is_file():
            raise ProblemError(404, f"There is no report of {kind} yet.", remedy="Run one first.")
        headers = {"Content-Security-Policy": PAGE_POLICY}
        return FileResponse(page, media_type="text/html", headers=headers)
