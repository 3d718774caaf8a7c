"""Wheels of this checkout, and environments that hold nothing but what is put into them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import venv
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parents[3]
SOURCES = ("supervision", "stockstream", "web", "mockserver")
FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "MANIFEST.in")
SECONDS = 60.0
"""For what takes a few on a machine that does nothing else."""
LIBRARY, PRODUCT = "trio-supervision", "stockstream"


def checkout_files(*under: str) -> set[str]:
    """What this checkout holds below these names: what git has, and what it would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *under],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


@dataclass(frozen=True)
class Built:
    """What a release publishes, by distribution: the archive, the wheel made from its contents,
    and the wheel that is made from the checkout.
    """

    archives: dict[str, Path]
    wheels: dict[str, Path]
    direct: dict[str, Path]


def build(folder: Path, litter: Iterable[str]) -> Built:
    """Both distributions, built offline from a copy of this checkout in which litter lies."""
    copy = folder / "checkout"
    for name in checkout_files(*SOURCES, *FILES):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for name in litter:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("token = 'none of their business'\n")
    built = Built({}, {}, {})
    for name, source in ((LIBRARY, copy / "supervision"), (PRODUCT, copy)):
        places = [folder / name / place for place in ("sdist", "from_sdist", "direct")]
        built.archives[name] = _hook("build_sdist", source, places[0])
        shutil.unpack_archive(built.archives[name], folder / name, filter="data")
        (unpacked,) = (folder / name).glob("*/PKG-INFO")
        built.wheels[name] = _hook("build_wheel", unpacked.parent, places[1])
        built.direct[name] = _hook("build_wheel", source, places[2])
    return built


def _hook(hook: str, source: Path, target: Path) -> Path:
    """What pip and build do, without an environment of its own for each."""
    target.mkdir(parents=True)
    program = f"import sys\nfrom setuptools import build_meta\nbuild_meta.{hook}(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, target], cwd=source, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.iterdir()
    return made


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel, with what is in them."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def names_in_archive(archive: Path) -> set[str]:
    """The files of a source distribution, without the folder around them."""
    with tarfile.open(archive) as opened:
        return {one.name.partition("/")[2] for one in opened.getmembers() if one.isfile()}


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
        common = Path("/usr/bin") / version
        if not _others_reach(sys.base_prefix) and common.exists():
            # As root's own interpreter in /root: the same version of the machine's is for all.
            text = f"home = {common.parent}\ninclude-system-site-packages = false\n"
            (folder / "pyvenv.cfg").write_text(text)
            for name in ("python", "python3", version):
                (folder / "bin" / name).unlink(missing_ok=True)
                (folder / "bin" / name).symlink_to(common)

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


class Person:
    """Somebody who uses an installed program: a home, and where possible no rights of ours."""

    def __init__(self, environment: Environment, home: Path) -> None:
        self.environment, self.home = environment, home
        home.mkdir()
        self._rights: dict[str, Any] = {}
        places = (sys.prefix, environment.python.resolve().parent)
        if os.geteuid() == 0 and all(map(_others_reach, places)):
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            self._rights = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    @property
    def data(self) -> Path:
        """Where the person's data is."""
        return self.home / ".local/share/stockstream"

    def folder(self, name: str) -> Path:
        """A folder of this person's."""
        folder = self.home / name
        folder.mkdir()
        if self._rights:
            os.chown(folder, self._rights["user"], self._rights["group"])
        return folder

    def start(self, *arguments: str, cwd: Path, **settings: str) -> subprocess.Popen[str]:
        """Start `stockstream` there."""
        return subprocess.Popen(
            [self.environment.folder / "bin/stockstream", *arguments],
            cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": f"{self.environment.folder / 'bin'}:/usr/bin:/bin", "HOME": str(self.home),
                 "PYTHONUNBUFFERED": "1", **settings},
            **self._rights,
        )  # fmt: skip

    def run(self, *arguments: str, cwd: Path, **settings: str) -> tuple[int, str, str]:
        """Run it to its end: the exit status, what it printed, what it complained of."""
        with self.start(*arguments, cwd=cwd, **settings) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
        return process.returncode, out, err


@contextmanager
def serving(person: Person, cwd: Path, **settings: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """A server of theirs: what it says when it serves, and how to stop it, with its status."""
    process = person.start("serve", cwd=cwd, **settings)
    # What it logs is read beside, or it would wait for a reader.
    logged: list[str] = []
    reader = threading.Thread(target=lambda: logged.extend(process.stderr or ()))
    reader.start()
    too_late = threading.Timer(SECONDS, process.kill)
    too_late.start()

    def stop() -> int:
        process.send_signal(signal.SIGINT)
        return process.wait(SECONDS)

    try:
        said = ""
        for line in process.stdout or ():
            said += line
            if "Ctrl+C stops" in line:
                break
        too_late.cancel()
        assert "Ctrl+C stops" in said, said + "".join(logged)
        yield said, stop
    finally:
        too_late.cancel()
        process.kill()
        process.wait()
        reader.join(SECONDS)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _others_reach(folder: str | Path) -> bool:
    """Whether any user may go to it."""
    real = Path(folder).resolve()
    return all(one.stat().st_mode & stat.S_IXOTH for one in (real, *real.parents))
