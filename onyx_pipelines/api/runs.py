"""`/api/runs`: what became of a run, and an end to it."""

from contextlib import suppress

from onyx_pipelines.api.admission import Admitted, OfStack
from onyx_pipelines.api.models import RunAnswer, RunId
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.service import Service, state_of
from onyx_pipelines.api.stacks import Stacks


def add_runs(stacks: Stacks) -> None:
    @stacks.reads.get("/api/runs/{run_id}")
    def run(service: OfStack, run_id: RunId) -> RunAnswer:
        """A restore, a drill, or any run."""
        return found_run(service, run_id)

    @stacks.operates.post("/api/runs/{run_id}/cancel")
    def cancel(service: OfStack, run_id: RunId, caller: Admitted) -> RunAnswer:
        """Stop a run; what it has begun is cleaned up by it."""
        before = found_run(service, run_id)
        with service.audit(caller, "cancel", {"run": run_id})():
            service.dagster.cancel(run_id)
        # It is cancelled, whether or not Dagster can still say so.
        with suppress(ProblemError):
            return found_run(service, run_id)
        return before


def found_run(service: Service, run_id: str) -> RunAnswer:
    """Raises ProblemError: 404."""
    run = service.dagster.run(run_id)
    if run is None:
        raise ProblemError(404, f"There is no run {run_id}.", remedy="Look at its id.")
    return RunAnswer(run_id=run.run_id, status=state_of(run), job=run.job)
