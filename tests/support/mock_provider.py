"""oidc-provider-mock, which others wrote and test their clients with, as a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def running_mock_provider(*people: dict[str, object]) -> Iterator[str]:
    """Its address, which is its issuer. `people` are claims, each with a `sub`."""
    claims = [word for one in people for word in ("--user-claims", json.dumps(one))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", "0", *claims]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                found = re.search(r"running on (http://\S+)", line)
                if found:
                    yield found[1]
                    break
            else:
                raise AssertionError(f"the provider did not start:\n{said}")
        finally:
            process.terminate()
