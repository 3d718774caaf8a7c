"""`stockstream cluster status`: the cluster as a running node sees it."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from stockstream.cli.admin_client import AdminClient, Refused
from stockstream.cli.cluster.showing import show_cluster
from stockstream.cli.printing import print_document, table_console
from stockstream.cluster.told import ClusterDocument

SINGLE_NODE, TROUBLE = 3, 4


def status(
    *,
    url: str | None = None,
    token: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Show the members of the cluster, who fetches what, and what is wrong.

    A running node is asked, and tells what it knows: a node that is cut off from the others says
    that it is alone. Ask each of them at its own address, which the table names.

    Exit codes: 0 all is well, 1 no answer, 2 usage or settings, 3 this is a single node, 4 the
    cluster is there and something is wrong with it, which is said.

    For example:

    - `stockstream cluster status` asks the server that was started in this directory.
    - `stockstream cluster status --json | jq -r '.members[].address'` lists the nodes' addresses.

    Parameters
    ----------
    url
        Address of the node, else STOCKSTREAM_URL, else port PORT on this machine.
    token
        Its ADMIN_TOKEN or an API token, else STOCKSTREAM_TOKEN, else what DATA_DIRECTORY has.
    as_json
        Print JSON: what `/api/v1/cluster` answers; for a single node, `null`.
    """
    try:
        document = AdminClient(url, token).get("/api/v1/cluster", ClusterDocument)
    except Refused as error:
        if error.code != "single_node":
            raise
        if as_json:
            sys.stdout.write("null\n")
        else:
            sys.stdout.write(
                "a single node: it fetches everything itself. Set CLUSTER_NATS_URL to join nodes, "
                "or run several on this machine by `stockstream cluster up`\n"
            )
        return SINGLE_NODE
    if as_json:
        print_document(document)
    else:
        show_cluster(table_console(), document)
    return TROUBLE if document.troubles else 0
