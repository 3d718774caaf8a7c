"""Alembic's entry: runs the versions, one by one, on the connection that `__main__` opened."""

from __future__ import annotations

import sys
from typing import Any

from alembic import context


def _tell(**told: Any) -> None:  # noqa: ANN401 - what Alembic passes
    step = told["step"]
    way = "applied" if step.is_upgrade else "rolled back"
    sys.stdout.write(f"{way} {step.up_revision_id}\n")


def _run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        transaction_per_migration=False,
        on_version_apply=_tell,  # type: ignore[arg-type]  # it is called by keywords
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
