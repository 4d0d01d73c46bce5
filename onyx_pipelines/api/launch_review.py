"""`/api/launch`: what keeps the stack from going live, and who has signed."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel

from onyx_pipelines.api.admission import OfStack
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch.checklist import Role
from onyx_pipelines.readiness.launch.objections import ObjectionKind, Standing
from onyx_pipelines.readiness.launch.signing_off import SignOffError
from onyx_pipelines.readiness.launch.standing import Launch, launch_of


class LaunchItemAnswer(BaseModel):
    """One item of the checklist. `expires_at`: from then on it says nothing; null: never."""

    id: str
    section: str
    asks: str
    owner: Role
    blocks: bool
    verdict: Verdict
    found: str
    at: AwareDatetime
    expires_at: AwareDatetime | None


class ObjectionAnswer(BaseModel):
    """Why a sign-off does not count. `item`: "" where it is about the whole."""

    kind: ObjectionKind
    what: str
    item: str


class SignOffAnswer(BaseModel):
    """Of one role. `name`, `commit`, `signed_at`: null where nobody has signed."""

    role: Role
    counts: bool
    name: str | None
    commit: str | None
    signed_at: AwareDatetime | None
    despite: list[str]
    objections: list[ObjectionAnswer]


class CriterionAnswer(BaseModel):
    """One of those that decide."""

    id: str
    asks: str
    verdict: Verdict
    found: str


class LaunchAnswer(BaseModel):
    """`go`: whether every criterion has passed; `at`: when everything was looked at."""

    stack: str
    commit: str
    at: AwareDatetime
    go: bool
    criteria: list[CriterionAnswer]
    sign_offs: list[SignOffAnswer]
    items: list[LaunchItemAnswer]


def add_launch_review(stacks: Stacks) -> None:
    @stacks.reads.get("/api/launch")
    def launch(service: OfStack) -> LaunchAnswer:
        """The last review of the launch checklist judged as of now, go or no go by each criterion,
        and the sign-offs. 404: nobody has looked at it, or at another commit."""
        try:
            found = launch_of(service.settings)
        except SignOffError as error:
            raise ProblemError(404, error.what, remedy=error.remedy) from None
        decisions = found.decisions(service.settings)
        return LaunchAnswer(
            stack=found.review.stack,
            commit=found.review.commit,
            at=found.review.at,
            go=all(each.verdict is Verdict.PASSED for each in decisions),
            criteria=[
                CriterionAnswer(
                    id=each.criterion.id,
                    asks=each.criterion.asks,
                    verdict=each.verdict,
                    found=each.found,
                )
                for each in decisions
            ],
            sign_offs=[_signoff(each) for each in found.standings],
            items=_items(found),
        )


def _items(found: Launch) -> list[LaunchItemAnswer]:
    return [
        LaunchItemAnswer(
            id=item.id,
            section=section.id,
            asks=item.asks,
            owner=item.owner,
            blocks=item.blocks,
            verdict=result.verdict,
            found=result.found,
            at=result.at,
            expires_at=result.expires_at,
        )
        for section in found.asked.sections
        for item, result in found.today.of(section)
    ]


def _signoff(each: Standing) -> SignOffAnswer:
    said = each.signoff.statement if each.signoff else None
    return SignOffAnswer(
        role=each.role,
        counts=each.counts,
        name=said.name if said else None,
        commit=said.commit if said else None,
        signed_at=each.signoff.signature.signed_at if each.signoff else None,
        despite=list(said.despite) if said else [],
        objections=[
            ObjectionAnswer(kind=one.kind, what=one.what, item=one.item_id)
            for one in each.objections
        ],
    )
