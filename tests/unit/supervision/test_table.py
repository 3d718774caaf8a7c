"""Memory that outlives its writer."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from supervision import (
    Actor,
    ChildSpec,
    NotTheWriter,
    Request,
    Slot,
    Table,
    TableStatistics,
    handles,
)


@dataclass(frozen=True)
class Put(Request[None]):
    key: str
    value: int | None


@dataclass(frozen=True)
class Delete(Request[None]):
    key: str


class Writer(Actor):
    def __init__(self, table: Table[str, int | None]) -> None:
        self.table = table

    @handles(Put)
    def _put(self, request: Put) -> None:
        self.table.put(request.key, request.value)

    @handles(Delete)
    def _delete(self, request: Delete) -> None:
        self.table.delete(request.key)


async def test_a_table_outlives_its_writers_incarnations(start):
    """The next one finds the rows, and may write them."""
    table: Table[str, int | None] = Table("prices", writer="w")
    tree = await start([ChildSpec("w", Writer, (table,))])
    await tree["w"].call(Put("a", 1))
    await tree.kill("w")
    assert table.get("a") == 1
    await tree["w"].call(Put("a", 2))
    assert (table.get("a"), table.get("b"), "a" in table, list(table)) == (2, None, True, ["a"])


async def test_each_row_may_have_a_writer_of_its_own(start):
    """Its path follows from the key; others may write neither that row nor all at once."""
    table: Table[str, int | None] = Table("feeds", writer=lambda key: f"feed_{key}")
    tree = await start([ChildSpec(f"feed_{key}", Writer, (table,)) for key in ("a", "b")])
    for key in ("a", "b"):
        await tree[f"feed_{key}"].call(Put(key, 1))
    with pytest.raises(Exception, match="table 'feeds' is written by 'feed_b' only, not by"):
        await tree["feed_a"].call(Put("b", 2))
    with pytest.raises(Exception, match="table 'feeds' is written by 'feed_a' only, not by"):
        await tree["feed_b"].call(Delete("a"))
    with pytest.raises(NotTheWriter, match="written by 'feed_a' only, not by 'no actor'"):
        table.put_all({"a": 3, "b": 3})
    assert dict(table.rows) == {"a": 1, "b": 1}


async def test_only_the_writers_path_may_write(start):
    """Another actor's write, and one from outside any actor, raise and change nothing."""
    table: Table[str, int | None] = Table("prices", writer="w")
    tree = await start([ChildSpec("w", Writer, (table,)), ChildSpec("thief", Writer, (table,))])
    with pytest.raises(Exception, match="table 'prices' is written by 'w' only, not by 'thief'"):
        await tree["thief"].call(Put("a", 1))
    for write in (
        lambda: table.put("a", 1),
        lambda: table.put_all({"a": 1}),
        lambda: table.delete("a"),
    ):
        with pytest.raises(NotTheWriter, match="not by 'no actor'"):
            write()
    assert (len(table), table.revision) == (0, 0)
    with pytest.raises(TypeError):
        table.rows["a"] = 1  # type: ignore[index]


async def test_statistics_and_revision_count_changes(start):
    """A delete of nothing is none; a row whose value is None is one."""
    table: Table[str, int | None] = Table("prices", writer="w")
    tree = await start([ChildSpec("w", Writer, (table,))])
    await tree["w"].call(Put("a", None))
    await tree["w"].call(Put("b", 1))
    await tree["w"].call(Delete("nothing"))
    await tree["w"].call(Delete("a"))
    assert table.statistics() == TableStatistics(rows=1, writes=2, deletes=1)
    assert table.revision == 3


class Shower(Actor):
    def __init__(self, slot: Slot[int]) -> None:
        self.slot = slot

    @handles(Put)
    def _put(self, request: Put) -> None:
        assert request.value is not None
        self.slot.put(request.value)


async def test_a_slot_is_a_table_of_one_row(start):
    """It has no value before the first, outlives its writer, and has one writer."""
    slot: Slot[int] = Slot("state", writer="w")
    tree = await start([ChildSpec("w", Shower, (slot,)), ChildSpec("thief", Shower, (slot,))])
    assert slot.value is None
    await tree["w"].call(Put("", 1))
    await tree.kill("w")
    assert slot.value == 1
    with pytest.raises(Exception, match="table 'state' is written by 'w' only, not by 'thief'"):
        await tree["thief"].call(Put("", 2))
    with pytest.raises(NotTheWriter, match="not by 'no actor'"):
        slot.put(3)
    assert slot.value == 1
