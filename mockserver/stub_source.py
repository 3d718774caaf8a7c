"""Where the stubs come from while the server runs: loading again, and watching for changes."""

import logging
from collections.abc import Callable

import trio

from mockserver.mappings import StubMapping
from mockserver.stub_files import Fingerprint, StubFileError, StubFiles

logger = logging.getLogger("mockserver")

WATCH_PERIOD_SECONDS = 0.25  # saving a file and switching to the terminal takes longer


class StubSource:
    """Loads stub files off the event loop. `failure` is what is wrong with them now, if any."""

    def __init__(self, files: StubFiles) -> None:
        self.files = files
        self.failure: str | None = None

    async def load(self) -> list[StubMapping]:
        """The mappings in the files now; their notices are logged. Raises `StubFileError`."""
        try:
            mappings = await trio.to_thread.run_sync(self.files.load)
        except StubFileError as error:
            self.failure = str(error)
            raise
        self.failure = None
        log_notices(mappings)
        return mappings

    async def watch(self, seen: Fingerprint, use: Callable[[list[StubMapping]], None]) -> None:
        """Call `use` with the mappings whenever the files are not as `seen` any more.

        A broken file changes nothing but `failure`.
        """
        while True:
            await trio.sleep(WATCH_PERIOD_SECONDS)
            now = await trio.to_thread.run_sync(self.files.fingerprint)
            if now == seen:
                continue
            seen = now
            try:
                mappings = await self.load()
            except StubFileError as error:
                logger.error("%s; the stubs are as they were", error)  # noqa: TRY400 - the line says it all
            else:
                use(mappings)
                logger.warning("reloaded %d stubs from %s", len(mappings), self.files.directory)


def log_notices(mappings: list[StubMapping]) -> None:
    """A warning for everything in `mappings` that will not do what its author wants."""
    for mapping in mappings:
        for notice in mapping.notices:
            source = mapping.source or "added over the admin API"
            logger.warning("%s: %s: %s", source, mapping.title, notice)
