"""Settings tests start from an environment that says nothing, in an empty directory."""

import os
from pathlib import Path

import pytest

from stockstream.config import Settings


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Enter an empty directory with none of our variables set; return it."""
    for name in list(os.environ):
        setting = name.removesuffix("_FILE").lower() in Settings.model_fields
        if setting or name.startswith("STOCKSTREAM_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
