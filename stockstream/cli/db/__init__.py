"""`stockstream db`: the database's schema, what is in it, and ways out and in."""

from cyclopts import App

from stockstream.cli.db.backups import backups
from stockstream.cli.db.drills import drill
from stockstream.cli.db.dumps import backup, restore
from stockstream.cli.db.files import export, import_ticks
from stockstream.cli.db.schema import migrate, rollback, status
from stockstream.cli.db.upkeep import rebuild, retention

db = App(
    name="db",
    help="""Look after the database: the one that DATABASE_URL names, else the embedded one.

The embedded server is used where `stockstream serve` runs it in this directory, else started for \
the command and stopped again. Results go to standard output, progress to standard error when that \
is a terminal. Exit codes: 0 done, 1 failed, 2 usage or settings, 130 interrupted.

For example:

- `stockstream db status` shows the schema's version and what is stored
- `stockstream db export --symbol AAPL --from 2026-11-01 --output aapl.csv`
- `stockstream db import aapl.csv` takes in what is not there yet
- `stockstream db backup prices.dump` and `stockstream db restore prices.dump --yes`
- `stockstream db backup --kind full --to /backups` and `stockstream db drill --from /backups`
""",
    help_format="markdown",
)
for _command in (
    status,
    migrate,
    rollback,
    export,
    backup,
    backups,
    drill,
    restore,
    retention,
    rebuild,
):
    db.command(_command)
db.command(import_ticks, name="import")
