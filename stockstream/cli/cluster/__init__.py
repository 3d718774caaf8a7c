"""`stockstream cluster`: several nodes that fetch once for all their clients."""

from cyclopts import App

from stockstream.cli.cluster.restart import restart
from stockstream.cli.cluster.status import status
from stockstream.cli.cluster.up import up

cluster = App(
    name="cluster",
    help="""Run several nodes, and see which of them fetches what.

Nodes on several machines are joined by NATS: give each of them the same CLUSTER_NATS_URL. On one \
machine `stockstream cluster up` starts NATS and the nodes.

For example:

- `stockstream cluster up --nodes 3` runs three nodes behind one port, with a live table
- `stockstream cluster status` shows the members, who fetches what, and what is wrong
- `stockstream cluster restart` restarts the nodes of this machine, one after another
""",
    help_format="markdown",
)
for _command in (up, status, restart):
    cluster.command(_command)
