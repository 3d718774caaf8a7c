"""Prices kept: the database, recording, the spool, retention."""

from __future__ import annotations

from scripts.grafana.expressions import of, quantile, rate, total
from scripts.grafana.model import GREEN, RED, YELLOW, Dashboard, Row, graph, query, states

UP = (("away", RED), ("up", GREEN))
WELL = (("well", GREEN), ("in trouble", RED))
WAITS = (("goes on", GREEN), ("waits", YELLOW))
ASKED = (("primary", YELLOW), ("replica", GREEN))

DASHBOARD = Dashboard(
    name="history",
    title="History",
    description="How prices are kept: the database, what is recorded, what waits and what was "
    "lost.",
    rows=(
        Row(
            "The database",
            (
                states(
                    "Database",
                    "Whether prices can be written to it. While it is away they wait on disk.",
                    UP,
                    query(of("stockstream_database_up")),
                    runbook="DatabaseDown",
                ),
                states(
                    "Which one history queries ask",
                    "The replica that DATABASE_READ_URL names, or the primary in its place.",
                    ASKED,
                    query(of("stockstream_history_replica_asked")),
                    runbook="ReplicaLate",
                ),
                graph(
                    "Queries",
                    "Queries in a second, and those that failed.",
                    "cps",
                    query(rate("stockstream_database_queries_total")),
                    query(rate("stockstream_database_queries_failed_total"), "{{instance}} failed"),
                ),
                graph(
                    "Connections",
                    "Open connections to the database, by what they are for.",
                    "none",
                    query(total(of("stockstream_database_connections"), "for"), "{{for}}"),
                ),
                graph(
                    "Wait for a connection",
                    "How long queries waited for a connection, by what they are for: half of "
                    "them, and all but one of a hundred.",
                    "s",
                    query(
                        quantile(0.5, "stockstream_database_wait_seconds", "for"), "{{for}} half"
                    ),
                    query(
                        quantile(0.99, "stockstream_database_wait_seconds", "for"), "{{for}} 99 %"
                    ),
                ),
                graph(
                    "Queries that wait or were refused",
                    "Queries that wait for a connection now, and those in a second for which "
                    "there was no room to wait.",
                    "none",
                    query(
                        total(of("stockstream_database_queries_waiting"), "for"), "{{for}} waiting"
                    ),
                    query(
                        total(rate("stockstream_database_queries_refused_total"), "for"),
                        "{{for}} refused",
                    ),
                    runbook="DatabaseBusy",
                ),
                graph(
                    "Lag of the replica",
                    "How far the replica is behind its primary, at most.",
                    "s",
                    query(of("stockstream_history_replica_lag_seconds")),
                ),
            ),
        ),
        Row(
            "Recording",
            (
                graph(
                    "Ticks recorded",
                    "Ticks that the database took, in a second.",
                    "cps",
                    query(rate("stockstream_ticks_recorded_total")),
                ),
                graph(
                    "Lag",
                    "Age of the oldest price that is not in the database yet.",
                    "s",
                    query(of("stockstream_history_lag_seconds")),
                ),
                graph(
                    "Batches on disk",
                    "Batches that wait in the spool for the database.",
                    "none",
                    query(of("stockstream_spooled_batches")),
                ),
                graph(
                    "Spool",
                    "Bytes that wait on disk, and the setting SPOOL_SIZE.",
                    "bytes",
                    query(of("stockstream_spool_bytes")),
                    query(of("stockstream_spool_limit_bytes"), "{{instance}} limit"),
                    runbook="SpoolFilling",
                ),
                graph(
                    "Age of the spool",
                    "Age of the oldest price that waits on disk; 0 while none does.",
                    "s",
                    query(of("stockstream_spool_age_seconds")),
                ),
                graph(
                    "Ticks lost",
                    "Ticks that neither the database nor the place they waited in could take, "
                    "since the node started, by that place.",
                    "none",
                    query(of("stockstream_ticks_lost_total"), "{{instance}} from {{from}}"),
                    runbook="TicksLost",
                ),
                graph(
                    "Batches lost or refused",
                    "Batches that could not be read again, and batches that the database refused, "
                    "since the node started.",
                    "none",
                    query(of("stockstream_batches_unread_total"), "{{instance}} unread"),
                    query(of("stockstream_batches_rejected_total"), "{{instance}} refused"),
                    runbook="BatchesRejected",
                ),
            ),
        ),
        Row(
            "Retention",
            (
                states(
                    "Rolling up, dropping, purging",
                    "Whether it has failed for over a minute.",
                    WELL,
                    query(of("stockstream_retention_in_trouble")),
                    runbook="RetentionInTrouble",
                ),
                states(
                    "Dropping",
                    "It waits where this machine's clock may be wrong, so that nothing is dropped "
                    "too early.",
                    WAITS,
                    query(of("stockstream_retention_waits")),
                    runbook="RetentionInTrouble",
                ),
                states(
                    "Jobs",
                    "Whether a job that runs on a schedule has failed for over a minute.",
                    WELL,
                    query(of("stockstream_job_failing"), "{{instance}} {{name}}"),
                    runbook="JobFailing",
                ),
                graph(
                    "Jobs that are late",
                    "By how much; 0 while they are in time.",
                    "s",
                    query(of("stockstream_job_overdue_seconds"), "{{instance}} {{name}}"),
                    runbook="JobLate",
                ),
                graph(
                    "Time of the last run",
                    "How long the last run of each job took.",
                    "s",
                    query(of("stockstream_job_duration_seconds"), "{{instance}} {{name}}"),
                ),
                graph(
                    "Runs and failures of jobs",
                    "Runs in an hour, and how many of them failed, on all nodes.",
                    "none",
                    query(
                        f"max by (name) (increase({of('stockstream_job_runs_total')}[1h]))",
                        "{{name}}",
                    ),
                    query(
                        f"max by (name) (increase({of('stockstream_job_failures_total')}[1h]))",
                        "{{name}} failed",
                    ),
                ),
                graph(
                    "Last success of jobs",
                    "How long ago each job last ended well, on any node.",
                    "s",
                    query(
                        f"time() - {of('stockstream_job_last_success_timestamp_seconds')}",
                        "{{name}}",
                    ),
                    width=24,
                ),
                states(
                    "Archive of the log",
                    "Whether the database's log is kept beside the backups, where it is to be.",
                    (("not kept", RED), ("kept", GREEN)),
                    query(of("stockstream_log_archive_up")),
                    runbook="LogNotArchived",
                ),
                graph(
                    "Age of the last backup",
                    "Since the last backup ended that is known here; nothing where there was none.",
                    "s",
                    query(f"time() - {of('stockstream_backup_last_success_timestamp_seconds')}"),
                    runbook="BackupTooOld",
                ),
            ),
        ),
        Row(
            "Logins",
            (
                graph(
                    "Logins by a password",
                    "Tried in a second, by how they ended.",
                    "cps",
                    query(total(rate("stockstream_logins_total"), "outcome"), "{{outcome}}"),
                ),
                graph(
                    "Who is there",
                    "Sessions and API tokens that were used lately, or hold a socket open.",
                    "none",
                    query(
                        total(of("stockstream_credentials_known"), "kind", "role"),
                        "{{kind}} {{role}}",
                    ),
                ),
                graph(
                    "Passwords that wait",
                    "Passwords that wait to be looked at.",
                    "none",
                    query(of("stockstream_passwords_waiting")),
                ),
                graph(
                    "Passwords refused",
                    "Passwords that were not looked at in a second, because too many waited.",
                    "cps",
                    query(rate("stockstream_passwords_refused_total")),
                ),
            ),
        ),
        Row(
            "Audit of operators",
            (
                graph(
                    "Entries",
                    "Entries that the database has taken in a second, and entries that it refused "
                    "or that there was no room for; those stand in the log only.",
                    "cps",
                    query(total(rate("stockstream_audit_entries_total"), "outcome"), "{{outcome}}"),
                    runbook="AuditLost",
                ),
                graph(
                    "Entries that wait",
                    "Entries that the database has not taken yet.",
                    "none",
                    query(of("stockstream_audit_entries_waiting")),
                ),
            ),
        ),
    ),
)
