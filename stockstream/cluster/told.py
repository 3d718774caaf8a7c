"""The cluster as one node sees it, as a document: for operators, programs and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stockstream.cluster.claim_book import NOBODY
from stockstream.cluster.member_rows import has_another_time, how_far
from stockstream.statuses import NodeState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.shards import Claim, NodeId, Shard
    from stockstream.statuses import BusStatus, Holding, Member, Members
    from stockstream.tables import Tables


class MemberDocument(msgspec.Struct, frozen=True):
    """A node of the cluster. `node` is its name, `boot` tells its lives apart.

    It may fetch once it is `ready`; `fetches` are its shards, and `unfit` the upstreams that it
    cannot reach. Its last heartbeat came `silent_seconds` ago. `address` is for operators,
    `public_url` for browsers. `load` is the share of a core that it used of late. `differing` names
    settings that are not as they are at the node that tells this. Its clock is
    `clock_ahead_seconds` ahead of that node's; null where it is not known.
    """

    node: str
    boot: int
    ready: bool
    fetches: list[str]
    unfit: list[str]
    silent_seconds: float
    version: str
    address: str | None
    public_url: str | None
    load: float
    clients: int
    differing: list[str]
    clock_ahead_seconds: float | None


class ShardDocument(msgspec.Struct, frozen=True):
    """What one request to an upstream brings. The node that claims it fetches it, for all.

    Its prices have versions of this `epoch`. Where nobody claims it, `node` and `boot` are null.
    """

    shard: str
    epoch: int
    node: str | None
    boot: int | None


class BusDocument(msgspec.Struct, frozen=True):
    """The connection to NATS: `up` to `server`, or not, for so many `seconds`, for a `reason`."""

    up: bool
    server: str
    reason: str
    seconds: float


class ClusterDocument(msgspec.Struct, frozen=True):
    """The cluster as the node `node` sees it, whose state is `state`.

    `joining`: it is still being told the prices. `alone`: it reaches nobody and fetches by itself
    what its own clients want, `fetches_alone`. `standing_by`: another node has its name and is
    newer, its settings differ in what must be the same, or its clock is wrong, as most of the
    others say; it shows prices and fetches none.

    Its own heartbeat came back `echo_age_seconds` ago, and took `echo_seconds`; null before the
    first. A node that is cut off sees that age rise. `troubles` says in a line each what is not as
    it should be.
    """

    node: str
    boot: int
    state: NodeState
    members: list[MemberDocument]
    shards: list[ShardDocument]
    fetches_alone: list[str]
    bus: BusDocument | None
    echo_age_seconds: float | None
    echo_seconds: float | None
    troubles: list[str]


def cluster_document(tables: Tables) -> ClusterDocument | None:
    """What is known now; None on a single node."""
    members, holding = tables.members.value, tables.holding.value
    if members is None:
        return None
    alone = holding is not None and holding.alone
    document = ClusterDocument(
        node=members.me.name,
        boot=members.me.boot,
        state=members.state,
        members=[_member(member, members.claims) for member in members.members],
        shards=_shards(members.claims, holding),
        fetches_alone=sorted(holding.epochs) if holding is not None and alone else [],
        bus=_bus(tables.bus.value),
        echo_age_seconds=None if members.echoed is None else round(members.echoed.age, 3),
        echo_seconds=None if members.echo_seconds is None else round(members.echo_seconds, 4),
        troubles=[],
    )
    return msgspec.structs.replace(document, troubles=_troubles(document, members))


def _troubles(document: ClusterDocument, members: Members) -> list[str]:
    me, bus, told = document.node, document.bus, []
    if document.state is not NodeState.READY:
        why = "" if members.why is None else f": {members.why}"
        told.append(f"{me} is {document.state.replace('_', ' ')}{why}")
    told += [
        f"the clock of {member.node.name} is {how_far(member.clock_ahead)} that of {me}"
        for member in members.members
        if not members.clock_off and member.clock_ahead is not None and has_another_time(member)
    ]
    if bus is not None and not bus.up:
        told.append(f"{me} has no connection to NATS: {bus.reason}")
    for member in document.members:
        if not member.ready and member.node != me:
            told.append(f"{member.node} is not ready")
        if member.unfit:
            told.append(f"{member.node} cannot reach {', '.join(member.unfit)}")
        if member.differing:
            told.append(f"{member.node} has another {', '.join(member.differing)}")
    orphans = [shard.shard for shard in document.shards if shard.node is None]
    if orphans and document.state is NodeState.READY:
        told.append(f"nobody fetches {', '.join(orphans)}")
    return told


def _member(member: Member, claims: Mapping[Shard, Claim]) -> MemberDocument:
    return MemberDocument(
        node=member.node.name,
        boot=member.node.boot,
        ready=member.ready,
        fetches=_held(member.node, claims),
        unfit=sorted(member.unfit),
        silent_seconds=round(member.heard.age, 3),
        version=member.version,
        address=member.address,
        public_url=member.public_url,
        load=round(member.load, 3),
        clients=member.clients,
        differing=sorted(member.differing),
        clock_ahead_seconds=(
            None if member.clock_ahead is None else round(member.clock_ahead / 1000, 1)
        ),
    )


def _held(node: NodeId, claims: Mapping[Shard, Claim]) -> list[str]:
    return sorted((shard for shard, claim in claims.items() if claim.node == node), key=_order)


def _shards(claims: Mapping[Shard, Claim], holding: Holding | None) -> list[ShardDocument]:
    known = {} if holding is None else dict.fromkeys(holding.highest, NOBODY)
    return [
        ShardDocument(shard, claim.epoch, claim.name or None, claim.boot or None)
        for shard, claim in sorted({**known, **claims}.items(), key=lambda item: _order(item[0]))
    ]


def _order(shard: str) -> tuple[str, int]:
    upstream, _, part = shard.partition("/")
    return upstream, int(part)


def _bus(status: BusStatus | None) -> BusDocument | None:
    if status is None:
        return None
    return BusDocument(status.up, status.server, status.reason, round(status.since.age, 1))
