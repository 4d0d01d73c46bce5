"""Job `verify_backups`: what the stores hold is read back and compared, on demand or weekly."""

from dataclasses import dataclass, field

import dagster as dg
from pydantic import Field

from onyx_pipelines.backup import verifying
from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.core.errors import IntegrityError, NotFoundError, OnyxError
from onyx_pipelines.core.names import Job, Op, run_tags
from onyx_pipelines.core.text import count_text
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.progress_lines import log_progress
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.orchestration.scheduled import schedule_of
from onyx_pipelines.vault.stores import store_named
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.verification import Verification

_NAMED = 20


class VerificationConfig(dg.Config):
    """What is read."""

    backup_id: str = Field(
        default="latest", description="The set: its id, `latest`, or `all` for every set."
    )
    store: str | None = Field(
        default=None,
        description="The store to read, by its name: `local`, `offsite`. null: every store.",
    )
    deep: bool = Field(default=False, description="Unseal every object too; needs the private key.")


@dataclass
class _Found:
    """What came of all that was to be read."""

    damaged: list[str] = field(default_factory=list)
    not_authenticated: list[str] = field(default_factory=list)
    unread: list[OnyxError] = field(default_factory=list)

    def add(self, verification: Verification) -> None:
        which = f"{verification.store}, set {verification.backup_id}"
        self.damaged += [f"{which}: {each.key}: {each.problem}" for each in verification.problems]
        if verification.reservation:
            self.not_authenticated.append(f"{which}: {verification.reservation}")

    def refuse(self) -> None:
        """Return only if all that was to be read is right.

        Raises:
            OnyxError: something is damaged, unproved, or was not read at all.
        """
        sentences = []
        if self.damaged:
            named = "; ".join(self.damaged[:_NAMED])
            sentences.append(f"{count_text(len(self.damaged), 'damaged object')}: {named}.")
        sentences += self.not_authenticated[:_NAMED]
        if not sentences and len(self.unread) == 1:
            raise self.unread[0]
        sentences += [f"Not verified: {error.what}" for error in self.unread[:_NAMED]]
        if sentences:
            raise IntegrityError(
                " ".join(sentences),
                remedy="Copy a damaged set again from the other store, or take a new backup now;"
                " `onyx verify` says what is wrong with each.",
            )


@dg.op(name=Op.VERIFY, description="Reads sets back from the stores and hashes every object.")
def verify_sets(
    context: dg.OpExecutionContext, onyx: OnyxSettings, config: VerificationConfig
) -> None:
    with dagster_failures():
        host = open_host(onyx.load())
        found = _Found()
        for store, backup_id in _wanted(host, config, found):
            try:
                verification = verifying.verify_set(
                    host, store, backup_id, log_progress(context.log.info), deep=config.deep
                )
            except OnyxError as error:
                found.unread.append(error)
                continue
            found.add(verification)
            context.log.info(
                f"{store.name}: {backup_id}: {count_text(len(verification.objects), 'object')},"
                f" {verification.verdict}"
            )
        found.refuse()


def _wanted(host: BackupHost, config: VerificationConfig, found: _Found) -> list[tuple[Store, str]]:
    """What is to be read. A store that cannot be listed keeps nothing in the other one unread."""
    stores = [store_named(host.stores, config.store)] if config.store else list(host.stores)
    wanted: list[tuple[Store, str]] = []
    absent: list[OnyxError] = []
    for store in stores:
        try:
            wanted += [
                (store, each) for each in verifying.sets_to_verify(host, store, config.backup_id)
            ]
        except NotFoundError as error:
            absent.append(error)
        except OnyxError as error:
            found.unread.append(error)
    # A single set may be in one store only; of all sets, no store may have none.
    if config.backup_id == "all" or not wanted:
        found.unread += absent
    return wanted


@dg.job(
    name=Job.VERIFY,
    description="Reads sets back and compares them with their manifests (`onyx verify`).",
    tags=run_tags(max_runtime_h=12, exclusive=False),
)
def verify_backups() -> None:
    verify_sets()


weekly_verification_schedule = schedule_of(
    Job.VERIFY,
    "weekly_verification_schedule",
    "Every set of every store, on Sundays: what rots is found while there are copies.",
    run_config=dg.RunConfig({Op.VERIFY: VerificationConfig(backup_id="all")}),
)
