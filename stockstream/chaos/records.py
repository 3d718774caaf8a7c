"""The records of chaos that survive the death of its own controller."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from stockstream import paths
from supervision import Ownership, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.chaos.messages import ActiveFault, AuditRow, Experiment
    from stockstream.times import Moment

AUDIT_ROWS = 1_000
EXPERIMENT = "experiment"
"""The key of the one row of the `experiments` table."""


class ChaosRecords:
    """Faults that are on, the experiment that has the node, and the audit log.

    Made by `application.py`; written by the controller, read by anyone.
    """

    def __init__(self) -> None:
        self.faults: Table[str, ActiveFault] = Table("chaos_faults", writer=paths.CHAOS)
        self.deadlines: Table[str, Moment] = Table("chaos_deadlines", writer=paths.CHAOS)
        """When faults and experiments end, by id: a successor of the controller goes by it."""
        self.experiments: Table[str, Experiment] = Table("chaos_experiments", writer=paths.CHAOS)
        self._owner = Ownership("chaos_audit", paths.CHAOS)
        self._audit: deque[AuditRow] = deque(maxlen=AUDIT_ROWS)

    @property
    def experiment(self) -> Experiment | None:
        """The experiment that has the node, or None."""
        return self.experiments.get(EXPERIMENT)

    def audit(self, row: AuditRow) -> None:
        """Write a row; the oldest beyond 1,000 is forgotten."""
        self._owner.check()
        self._audit.append(row)

    def newest(self, limit: int) -> Sequence[AuditRow]:
        """The newest rows, the newest first."""
        return list(islice(reversed(self._audit), limit))
