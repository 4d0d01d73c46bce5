"""`/api/backup/verify`: read a set back."""

from onyx_pipelines.api.admission import Asking, OfStack
from onyx_pipelines.api.models import BackupId, RunAnswer, VerifyRequest
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.names import Job, Op
from onyx_pipelines.vault.stores import store_named


def add_verifications(stacks: Stacks) -> None:
    @stacks.operates.post("/api/backup/verify/{backup_id}")
    def verify(
        service: OfStack, backup_id: BackupId, wanted: VerifyRequest, asked: Asking
    ) -> RunAnswer:
        """Read a set back from the stores and compare every object with the manifest."""
        # Damaged sets too: naming the damage is its purpose.
        if known := service.launcher.known(asked, RunAnswer):
            return known
        host = open_host(service.settings)
        if wanted.store:
            store_named(host.stores, wanted.store)
        found = host.catalog.identify(backup_id)
        config = {"backup_id": found, "store": wanted.store or None, "deep": wanted.deep}
        audit = service.audit(asked.caller, "verify", config, found)
        return service.launch(asked, Job.VERIFY, {Op.VERIFY: config}, audit)
