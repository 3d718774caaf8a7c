"""`python -m scripts.site stage FOLDER` or `check SITE`: before and after the site is built.

`stage` copies docs/ into FOLDER/pages, with the pages that are made from the code, and writes
FOLDER/mkdocs.yml. `check` looks through what was built: no dead link, nothing from foreign hosts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.site import benchmarks, links, reference, server_pages
from scripts.site.staging import stage

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str]) -> int:
    """Do one of the two; 1 where something is wrong, 2 for another request."""
    match list(arguments):
        case ["stage", folder]:
            made = reference.pages() | server_pages.pages() | benchmarks.pages(ROOT)
            for line in stage(ROOT, Path(folder), made, os.environ.get("SOURCE_URL", "")):
                sys.stderr.write(f"docs: {line}\n")
            return 0
        case ["check", site]:
            faults = links.faults(Path(site))
            for line in faults:
                sys.stderr.write(f"docs: {line}\n")
            return 1 if faults else 0
    sys.stderr.write(f"{__doc__}")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
