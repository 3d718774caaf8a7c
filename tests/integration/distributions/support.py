"""Wheels of this checkout, and environments that hold nothing but what is put into them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[3]
SOURCES = ("supervision", "stockstream", "web", "mockserver")
FILES = ("pyproject.toml", "README.md", "LICENSE")
LIBRARY, PRODUCT = "trio-supervision", "stockstream"
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "node_modules")


def build_wheels(folder: Path) -> dict[str, Path]:
    """The library's and the product's wheel, built from a copy of this checkout, offline."""
    copy, wheels = folder / "checkout", folder / "wheels"
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=NOT_SOURCE)
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    _pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", wheels,
         "./supervision", ".", cwd=copy)  # fmt: skip
    found = {path.name.partition("-")[0].replace("_", "-"): path for path in wheels.glob("*.whl")}
    assert set(found) == {LIBRARY, PRODUCT}
    return found


def names_in(wheel: Path) -> set[str]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


class Environment:
    """A new environment without pip, whose packages are asked for one by one."""

    def __init__(self, folder: Path) -> None:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        self.folder = folder
        self.python = folder / "bin/python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = folder / "lib" / version / "site-packages"

    def install(self, *wheels: Path) -> None:
        """Install these and nothing else."""
        _pip("--python", self.python, "install", "--no-index", "--no-deps", "--no-compile", *wheels)

    def lend(self, requirements: Iterable[str]) -> set[str]:
        """Put in what the lock has installed for this test run: names, with all they require."""
        lent = set(_closure(requirements))
        for name in lent:
            for entry in {Path(file).parts[0] for file in metadata.files(name) or []}:
                source = Path(str(metadata.distribution(name).locate_file(entry)))
                target = self.packages / entry
                if entry not in {"..", "__pycache__"} and not target.exists():
                    target.symlink_to(source)
        return lent

    def check(self) -> str:
        """What pip says of requirements that are not met; nothing when all are."""
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", self.python, "check"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def run(self, *arguments: str | Path, cwd: Path, timeout: float = 60) -> str:
        """Run its Python there, seeing nothing of this checkout; the answer is what it printed."""
        done = subprocess.run(
            [self.python, *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout,
            check=False, env={"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(cwd)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _closure(requirements: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = requirement.name.lower().replace("_", "-")
        for own_extra in ("", *requirement.extras):
            if name in {LIBRARY, PRODUCT} or f"{name}[{own_extra}]" in seen:
                continue
            seen.add(f"{name}[{own_extra}]")
            yield name
            waiting += [(Requirement(text), own_extra) for text in metadata.requires(name) or []]


def _pip(*arguments: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
