"""Job `incident_triage`: what `onyx triage` says, and all that incidents wait for."""

import dagster as dg

from onyx_pipelines.core.names import Job, Op, run_tags
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.readiness.incidents.attending import attend
from onyx_pipelines.readiness.incidents.record import triage_seen
from onyx_pipelines.readiness.triage import triage


@dg.op(
    name=Op.TRIAGE,
    description="Looks at the whole stack by the read-only steps of every playbook, tells people"
    " what incidents have to be told, and escalates what nobody has answered. It repairs nothing.",
)
def triage_now(context: dg.OpExecutionContext, onyx: OnyxSettings) -> None:
    settings = onyx.load()
    with dagster_failures():
        found = triage(settings)
        attended = attend(settings, look=lambda _: found)
    seen = triage_seen(found, of_notes=0)
    context.log.info(found.sentence)
    context.log.info(attended.sentence)
    context.add_output_metadata(
        {
            "sentence": found.sentence,
            "took_s": found.took_s,
            "playbooks": dg.MetadataValue.json([each.playbook.value for each in seen.named]),
            "evidence": dg.MetadataValue.md(
                "\n".join(f"- {line}" for each in seen.named for line in each.evidence)
            ),
            "could_not_be_looked_at": dg.MetadataValue.json(list(seen.unknown)),
            "incidents_looked_at": dg.MetadataValue.json(list(attended.looked_at)),
            "messages_put": attended.told,
        }
    )


@dg.job(
    name=Job.TRIAGE,
    description="Which playbook fits what is wrong now, with the evidence (`onyx triage`); for"
    " incidents that nobody has looked at, and by hand. Changes nothing of the stack.",
    tags=run_tags(max_runtime_h=0.25, exclusive=False),
)
def incident_triage() -> None:
    triage_now()
