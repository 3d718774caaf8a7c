"""`stockstream chaos`: break a running system on purpose, and see that it holds."""

from cyclopts import App

from stockstream.cli.chaos.drills import do, kill, monkey, run
from stockstream.cli.chaos.looking import actions, halt, list_, show, targets, validate
from stockstream.cli.chaos.nodes import nodes

chaos = App(
    name="chaos",
    help="""Break a running server on purpose, and see that it holds.

The server must be started with CHAOS_ENABLED=true. Watching clients connect while it runs, and \
the exit code says what they saw: 0 held, 1 tool error, 2 usage, 3 deviated, 4 no steady state, \
5 not injected, 6 rollback failed, 7 refused, 130 interrupted. Results go to standard output, \
progress to standard error.

For example:

- `stockstream chaos kill market/streamer --count 5 --every 2s` while you watch the dashboard
- `stockstream chaos kill 'delivery/sessions/*' --percent 20 --seed 7`
- `stockstream chaos run examples/chaos/streamer.toml --html report.html`
- `stockstream chaos nodes node-kill` kills a node of `stockstream cluster up`
- `stockstream chaos monkey --for 60s --rate 2/s` kills at random
- `stockstream chaos halt --all` ends every fault
""",
    help_format="markdown",
)

for _verb in (targets, actions, kill, do, monkey, run, nodes, validate, show, halt):
    chaos.command(_verb)
chaos.command(list_, name="list")
