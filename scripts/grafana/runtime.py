"""The actors, the run loop and the process."""

from __future__ import annotations

from scripts.grafana.expressions import highest, increase, of, quantile, rate, total
from scripts.grafana.model import Dashboard, Row, graph, number, query, table

DASHBOARD = Dashboard(
    name="runtime",
    title="Runtime",
    description="The actors, the run loop and the process of each node.",
    rows=(
        Row(
            "Actors",
            (
                number(
                    "Supervisors that gave up",
                    "In the time shown. Each took its whole part of the tree with it.",
                    "none",
                    total(increase("stockstream_supervisor_gave_up_total")),
                    bad_from=1,
                    width=6,
                    runbook="SupervisorGaveUp",
                ),
                number(
                    "Errors of subscribers",
                    "Errors of subscribers to the runtime's events, in the time shown.",
                    "none",
                    total(increase("stockstream_subscriber_failures_total")),
                    bad_from=1,
                    width=6,
                ),
                number(
                    "Messages to nobody",
                    "Messages to a path that nobody had, in the time shown. Some are no fault: an "
                    "actor was being restarted.",
                    "none",
                    total(increase("stockstream_casts_to_nobody_total")),
                    width=6,
                ),
                number(
                    "Up for",
                    "Time since the youngest of the nodes started.",
                    "s",
                    f"time() - max({of('process_start_time_seconds')})",
                    width=6,
                ),
                graph(
                    "Restarts",
                    "Starts of an actor after its first, in a second: the ten paths with the most.",
                    "cps",
                    query(
                        f"topk(10, {total(rate('stockstream_actor_restarts_total'), 'path')})",
                        "{{path}}",
                    ),
                    width=12,
                    runbook="RestartLoop",
                ),
                table(
                    "Restarts since the start of the node",
                    "Starts of an actor after its first.",
                    "none",
                    total(of("stockstream_actor_restarts_total"), "instance", "path"),
                ),
                table(
                    "Ends that nobody asked for",
                    "Since the start of the node, by path and kind.",
                    "none",
                    total(of("stockstream_actor_ends_total"), "instance", "path", "kind"),
                ),
                graph(
                    "Messages that wait",
                    "The ten mailboxes with the most messages; of clients' sessions, the fullest.",
                    "none",
                    query(
                        f"topk(10, {highest(of('stockstream_mailbox_messages'), 'path')})",
                        "{{path}}",
                    ),
                    width=12,
                ),
                table(
                    "The most that ever waited",
                    "Messages in a mailbox, since its actor started.",
                    "none",
                    f"topk(20, {of('stockstream_mailbox_messages_max')})",
                ),
                graph(
                    "Messages refused by full mailboxes",
                    "In a second: the ten paths with the most.",
                    "cps",
                    query(
                        f"topk(10, {total(rate('stockstream_casts_dropped_total'), 'path')})",
                        "{{path}}",
                    ),
                    width=12,
                    runbook="MailboxFull",
                ),
            ),
        ),
        Row(
            "Run loop",
            (
                graph(
                    "Lag",
                    "The longest that a task which was due had to wait, in the last second.",
                    "s",
                    query(of("stockstream_run_loop_lag_seconds")),
                ),
                graph(
                    "Waits of due tasks",
                    "How long a task which was due had to wait, ten times a second: half of the "
                    "times, and all but one of a hundred.",
                    "s",
                    query(
                        quantile(0.5, "stockstream_run_loop_wait_seconds", "instance"),
                        "{{instance}} half",
                    ),
                    query(
                        quantile(0.99, "stockstream_run_loop_wait_seconds", "instance"),
                        "{{instance}} 99 %",
                    ),
                    runbook="RunLoopLag",
                ),
                graph("Tasks", "Tasks of the run loop.", "none", query(of("stockstream_tasks"))),
                graph("Threads", "Python's threads.", "none", query(of("stockstream_threads"))),
            ),
        ),
        Row(
            "Process",
            (
                graph(
                    "Processor",
                    "Cores that each node uses. A node is one process and uses one core at most.",
                    "percentunit",
                    query(rate("process_cpu_seconds_total")),
                ),
                graph(
                    "Memory",
                    "Resident memory of each node.",
                    "bytes",
                    query(of("process_resident_memory_bytes")),
                ),
                graph(
                    "Files",
                    "Open files, each socket is one, and how many there may be.",
                    "none",
                    query(of("process_open_fds")),
                    query(of("process_max_fds"), "{{instance}} limit"),
                    runbook="FilesNearLimit",
                ),
                table(
                    "Nodes",
                    "Each node's name, and the program that it runs.",
                    "none",
                    of("stockstream_info")
                    + " * on (instance) group_left (version, commit, python) "
                    + of("stockstream_build_info"),
                    width=24,
                    runbook="BuildsDiffer",
                ),
            ),
        ),
        Row(
            "Notices for operators",
            (
                graph(
                    "Notices",
                    "What operators are told at once, in a second, by what it is about; and those "
                    "within a minute after the same one, which are told together.",
                    "cps",
                    query(total(rate("stockstream_notices_total"), "kind"), "{{kind}}"),
                    query(total(rate("stockstream_notices_held_total")), "held back"),
                ),
                graph(
                    "Posts of notices",
                    "Attempts in a second, by how they ended; and notices that are not posted.",
                    "cps",
                    query(total(rate("stockstream_notice_posts_total"), "outcome"), "{{outcome}}"),
                    query(
                        total(rate("stockstream_notices_not_posted_total"), "reason"), "{{reason}}"
                    ),
                    runbook="NoticesNotPosted",
                ),
                graph(
                    "Notices waiting",
                    "Notices that wait to be posted.",
                    "none",
                    query(of("stockstream_notices_waiting")),
                ),
            ),
        ),
    ),
)
