"""The tamper-evident record of manual operations: who did what, from where, with which result.

`audited` records, `Trail` keeps, `copy_audit` carries it to the stores, `verify_trail` checks.
"""

from onyx_pipelines.audit.copying import copy_audit, copy_in_time
from onyx_pipelines.audit.operation import Entry, audited
from onyx_pipelines.audit.origin import Channel, Origin, api_origin, cli_origin, origin_of_run
from onyx_pipelines.audit.records import AuditRecord, Outcome, Phase, Result
from onyx_pipelines.audit.trail import AuditError, Trail
from onyx_pipelines.audit.verification import AuditVerification, verify_copies, verify_trail

__all__ = [
    "AuditError",
    "AuditRecord",
    "AuditVerification",
    "Channel",
    "Entry",
    "Origin",
    "Outcome",
    "Phase",
    "Result",
    "Trail",
    "api_origin",
    "audited",
    "cli_origin",
    "copy_audit",
    "copy_in_time",
    "origin_of_run",
    "verify_copies",
    "verify_trail",
]
