"""The row of `members`, from what this node and the others tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.cluster.clocks import WRONG_MS
from stockstream.statuses import Member, Members
from stockstream.times import Moment
from stockstream.version import program_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.cluster.own_beats import OwnBeats
    from stockstream.cluster.ownership import Ownership
    from stockstream.shards import NodeId


def how_far(ahead: int) -> str:
    """How far a clock is ahead of another, which is named next; of it the ms are known."""
    return f"{abs(ahead) / 1000:,.0f} s {'ahead of' if ahead > 0 else 'behind'}"


def has_another_time(member: Member) -> bool:
    """Whether its clock is not as this node's: one of the two is wrong."""
    return member.clock_ahead is not None and abs(member.clock_ahead) > WRONG_MS


def members_of(
    core: Ownership, beats: OwnBeats, heard: Mapping[NodeId, Moment], *, clients: int
) -> Members:
    """The cluster as this node sees it. It was `heard` of the others then; it has `clients`."""
    mine = Member(
        node=core.me,
        ready=core.ready,
        unfit=core.unfit,
        heard=Moment.now(),
        version=program_version(),
        address=beats.address or None,
        public_url=beats.public_url or None,
        load=beats.load,
        clients=clients,
        clock_ahead=0,
    )
    others = (
        Member(
            node=node,
            ready=beat.ready,
            unfit=frozenset(beat.unfit),
            heard=heard[node],
            version=beat.product,
            address=beat.address or None,
            public_url=beat.public_url or None,
            load=beat.load,
            clients=beat.clients,
            differing=core.differing(node),
            clock_ahead=core.clocks.ahead_of_mine(node),
        )
        for node, beat in core.members.items()
    )
    return Members(
        me=core.me,
        state=core.state,
        members=tuple(sorted((mine, *others), key=lambda member: member.node)),
        claims={name: claim for name, claim in core.claims.items() if claim.name},
        echoed=beats.echoed,
        echo_seconds=beats.echo_seconds,
        why=_why_standing_by(core),
        clock_off=core.clocks.off if core.clocks.is_wrong else 0,
        filled=core.filled,
    )


def _why_standing_by(core: Ownership) -> str | None:
    """What an operator has to know of it; None where this node does not stand by."""
    newer, other = core.superseded_by, core.yields_to
    if newer is not None:
        address = core.members[newer].address or "an address it does not tell"
        return f"a newer node has the same NODE_NAME, {newer.name}; it is at {address}"
    if other is not None:
        settings = ", ".join(core.differing(other))
        return f"node {other.name} fetches already, with another {settings}"
    if core.clocks.is_wrong:
        return (
            f"its clock is {how_far(core.clocks.off)} what most of the others say; set it, and it "
            "is ready again"
        )
    if core.outran:
        return (
            "its clock was days ahead, and so are the versions of its prices; it is right again: "
            "start the node again"
        )
    return None
