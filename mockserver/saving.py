"""Writes stubs to files, so that they are there after a reset and a start: `persistent`, `save`.

Each has a file of its own beside the others, named by the stub and its id. Files that people wrote
are never changed.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from mockserver.mappings import StubMapping


class CannotSave(OSError):
    """A file cannot be written or removed. Its text names it."""


class SavedStubs:
    """The files in `directory` that were written here. Every method blocks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, stub: StubMapping) -> None:
        """Write `stub`, in place of what was saved of it. Raises `CannotSave`."""
        path = self._directory / f"{_slug(stub.title)}-{stub.id}.json"
        text = json.dumps(stub.document, indent=2, ensure_ascii=False) + "\n"
        draft = path.with_suffix(".draft")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for old in self._of(stub.id):
                if old != path:
                    old.unlink(missing_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise CannotSave(f"{path} cannot be written: {error.strerror}") from error

    def forget(self, keys: Iterable[str]) -> None:
        """Remove what was saved of the stubs with these ids. Raises `CannotSave`."""
        for key in keys:
            for path in self._of(key):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise CannotSave(f"{path} cannot be removed: {error.strerror}") from error

    def _of(self, key: str) -> list[Path]:
        return sorted(self._directory.glob(f"*-{key}.json"))


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "stub"
