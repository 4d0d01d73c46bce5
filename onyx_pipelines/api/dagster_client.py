"""Dagster over GraphQL: launches runs through its queue, reads and cancels them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import httpx

from onyx_pipelines.api.problems import ProblemError, understanding
from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.names import Tag
from onyx_pipelines.core.settings import DagsterSettings
from onyx_pipelines.core.whole_answer import unanswered, whole_answer

_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
# What a question takes at most.
LONGEST_S: Final = 25.0
_REMEDY: Final = (
    "Start its web server and daemon (ONYX_DAGSTER_URL); `onyx` on the command line works without"
    " them."
)
_RUN_FIELDS: Final = """
  runId jobName status startTime endTime tags { key value }
"""
_LAUNCH: Final = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on Error { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
_RUNS: Final = f"""
query Runs($filter: RunsFilter!, $limit: Int!) {{
  runsOrError(filter: $filter, limit: $limit) {{
    __typename
    ... on Runs {{ results {{ {_RUN_FIELDS} }} }}
    ... on Error {{ message }}
  }}
}}
"""
_CANCEL: Final = """
mutation Cancel($id: String!) {
  terminateRun(runId: $id) {
    __typename
    ... on TerminateRunSuccess { run { runId } }
    ... on TerminateRunFailure { message }
    ... on RunNotFoundError { message }
  }
}
"""
_DELETE: Final = """
mutation Delete($id: String!) {
  deleteRun(runId: $id) { __typename }
}
"""
_WHERE: Final = """
query Where {
  repositoriesOrError {
    __typename
    ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
  }
}
"""
UNFINISHED: Final = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


class NotAskedError(ProblemError):
    """Dagster cannot be reached: it was not even asked."""

    def __init__(self, detail: str) -> None:
        super().__init__(503, detail, remedy=_REMEDY)


class UncertainError(ProblemError):
    """A launch failed in a way that may have left a run. `is_over`: Dagster has answered, so that
    nothing comes later."""

    def __init__(self, detail: str, *, is_over: bool) -> None:
        super().__init__(503, detail, remedy=_REMEDY)
        self.is_over = is_over


@dataclass(frozen=True)
class Location:
    """Where Dagster has a job."""

    job: str
    repository: str
    name: str


@dataclass(frozen=True)
class Run:
    """A run as Dagster knows it; times are Unix seconds."""

    run_id: str
    job: str
    status: str
    tags: Mapping[str, str]
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED


class DagsterClient:
    """One web server of Dagster's.

    Args:
        stack: launches and sees its runs only; "": there are no others.
    """

    def __init__(
        self, settings: DagsterSettings, *, stack: str = "", limit_s: float = LONGEST_S
    ) -> None:
        self._limit_s = limit_s
        self._of_stack = {Tag.STACK: stack} if stack else {}
        password = settings.dagster_password.get_secret_value()
        self._client = httpx.Client(
            base_url=settings.dagster_url.rstrip("/"),
            timeout=_TIMEOUT,
            auth=(settings.dagster_user, password) if settings.dagster_user else None,
            trust_env=False,
            verify=usual_certificates(),
        )

    def close(self) -> None:
        self._client.close()

    def location_of(self, job: str) -> Location:
        """Raises ProblemError: 503 if Dagster does not answer or has no such job."""
        found = self._ask(_WHERE, "repositoriesOrError")
        _require(found, "RepositoryConnection")
        with _understanding():
            for node in found["nodes"]:
                if any(each["name"] == job for each in node["jobs"]):
                    return Location(job, str(node["name"]), str(node["location"]["name"]))
        raise _unavailable(f"Dagster has no job {job}.")

    def launch(
        self,
        location: Location,
        *,
        config: Mapping[str, Any],
        tags: Mapping[str, str],
        assets: Sequence[str] = (),
    ) -> str:
        """The id of the run, which stands in the queue now.

        Raises:
            UncertainError: Dagster may have taken it all the same.
            ProblemError: 503, Dagster did not take it.
        """
        selector: dict[str, Any] = {
            "jobName": location.job,
            "repositoryName": location.repository,
            "repositoryLocationName": location.name,
        }
        if assets:
            selector["assetSelection"] = [{"path": [asset]} for asset in assets]
        try:
            found = self._ask(
                _LAUNCH,
                "launchRun",
                params={
                    "selector": selector,
                    "runConfigData": config,
                    "executionMetadata": {"tags": _as_tags({**tags, **self._of_stack})},
                },
            )
            with _understanding():
                if found["__typename"] == "LaunchRunSuccess":
                    return str(found["run"]["runId"])
                errors = found.get("errors") or [{"message": found.get("message", "")}]
                lines = [str(each["message"]).strip().partition("\n")[0] for each in errors]
        except NotAskedError:
            raise
        except ProblemError as error:
            raise UncertainError(error.detail, is_over=False) from None
        said = "; ".join(line[:300] for line in lines)
        what = f"Dagster did not take the run ({found['__typename']}: {said})."
        # It broke somewhere on the way: the run may have been made before.
        if found["__typename"] == "PythonError":
            raise UncertainError(what, is_over=True)
        raise _unavailable(what)

    def run(self, run_id: str) -> Run | None:
        """None: there is no such run."""
        found = self._runs({"runIds": [run_id]}, limit=1)
        return found[0] if found else None

    def run_with_tag(self, key: str, value: str) -> Run | None:
        """The newest run that has it; None: none has."""
        found = self._runs({}, tags={key: value}, limit=1)
        return found[0] if found else None

    def unfinished(self, job: str) -> list[Run]:
        """Runs of a job that wait or run, ten at most."""
        return self._runs({"pipelineName": job, "statuses": list(UNFINISHED)}, limit=10)

    def cancel(self, run_id: str) -> None:
        """Raises ProblemError: 409 if it cannot be cancelled any more, 404 if there is none."""
        found = self._ask(_CANCEL, "terminateRun", id=run_id)
        if found["__typename"] == "RunNotFoundError":
            raise ProblemError(404, f"There is no run {run_id}.", remedy="Look at its id.")
        if found["__typename"] != "TerminateRunSuccess":
            detail = str(found.get("message") or "The run cannot be cancelled.")
            raise ProblemError(409, detail, remedy="It has ended, or its process is gone.")

    def delete(self, run_id: str) -> None:
        """Raises ProblemError: 503, Dagster does not answer or did not do it."""
        found = self._ask(_DELETE, "deleteRun", id=run_id)
        if found["__typename"] not in {"DeletePipelineRunSuccess", "RunNotFoundError"}:
            raise _unavailable(f"Dagster did not delete the run {run_id}.")

    def _runs(
        self,
        wanted: Mapping[str, Any],
        *,
        tags: Mapping[str, str] = MappingProxyType({}),
        limit: int,
    ) -> list[Run]:
        tagged = _as_tags({**tags, **self._of_stack})
        wanted = {**wanted, "tags": tagged} if tagged else wanted
        found = self._ask(_RUNS, "runsOrError", filter=wanted, limit=limit)
        _require(found, "Runs")
        with _understanding():
            return [
                Run(
                    run_id=str(each["runId"]),
                    job=str(each["jobName"]),
                    status=str(each["status"]),
                    tags={tag["key"]: tag["value"] for tag in each["tags"]},
                    started_at=each["startTime"],
                    ended_at=each["endTime"],
                )
                for each in found["results"]
            ]

    def _ask(self, query: str, field: str, **variables: Any) -> dict[str, Any]:
        """The field of the answer, which says of what type it is.

        Raises:
            ProblemError: 503, there is none.
        """
        try:
            answer = whole_answer(
                self._client,
                "POST",
                "/graphql",
                limit_s=self._limit_s,
                json={"query": query, "variables": variables},
            ).raise_for_status()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotAskedError(unanswered("Dagster", error)) from None
        except (httpx.HTTPError, ValueError) as error:
            raise _unavailable(unanswered("Dagster", error)) from None
        with _understanding():
            body = answer.json()
            if body.get("errors"):
                raise _unavailable("Dagster did not understand the question.")
            found: dict[str, Any] = body["data"][field]
            str(found["__typename"])
            return found


def _as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _require(found: Mapping[str, Any], kind: str) -> None:
    """What Dagster could not find out must not look like nothing."""
    if found["__typename"] != kind:
        raise _unavailable(f"Dagster could not answer ({found['__typename']}).")


def _understanding() -> AbstractContextManager[None]:
    return understanding("Dagster", _REMEDY)


def _unavailable(detail: str) -> ProblemError:
    return ProblemError(503, detail, remedy=_REMEDY)
