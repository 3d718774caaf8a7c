"""`python -m tests.simulation`: see `runner`."""

import os
import sys

if os.environ.get("PYTHONHASHSEED") != "0":
    # The order of sets of texts is drawn when an interpreter starts: start again.
    os.execve(
        sys.executable,
        [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
        {**os.environ, "PYTHONHASHSEED": "0"},
    )

from tests.simulation.runner import main

sys.exit(main(sys.argv[1:]))
