"""Batches that the database refuses: kept as files for the operator, up to a size.

Such a batch would be refused again and again, and block all batches behind it. A file holds one
batch as the spool writes it. No actor here; all of it blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.history.records import encode_record

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.history.recording import TickBatch

LARGEST_FOLDER = 64_000_000


def put_aside(folder: Path, batch: TickBatch, limit: int = LARGEST_FOLDER) -> int:
    """Keep a batch; returns how many of the oldest were deleted to stay within `limit` bytes.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = encode_record(batch)
    kept = [(path, path.stat()) for path in folder.glob("*.batch")]
    kept.sort(key=lambda file: (file[1].st_mtime_ns, file[0].name))
    size, gave_way = len(data) + sum(stat.st_size for _, stat in kept), 0
    for path, stat in kept:
        if size <= limit:
            break
        path.unlink(missing_ok=True)
        size -= stat.st_size
        gave_way += 1
    (folder / f"{batch.boot}-{batch.number}.batch").write_bytes(data)
    return gave_way
