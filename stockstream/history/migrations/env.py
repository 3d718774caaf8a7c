"""What Alembic runs: the versions, on the connection that `__main__` opened, one by one."""

from __future__ import annotations

import sys

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo


def _tell(*, step: MigrationInfo, **_: object) -> None:
    way = "applied" if step.is_upgrade else "rolled back"
    sys.stdout.write(f"{way} {step.up_revision_id if step.is_upgrade else step.source_revision_ids[0]}\n")


def _run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        transaction_per_migration=True,
        on_version_apply=_tell,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
