"""`scripts/bootstrap`: which interpreter it takes, what it says when it cannot, when it is done.

The interpreters are stand-ins on a PATH of their own: no test needs the network, or an
interpreter that this machine may not have.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("sh", "cat", "cksum", "rm", "dirname", "mkdir", "cp", "chmod", "env", "grep")

WORKING = f"""#!/bin/sh
# Answers questions as a Python of version @VERSION@ would; environments and pip are written down.
case "$1 $2" in
"-c "*) case $2 in
    *ensurepip*) exit @ENSUREPIP@ ;;
    *) exec {sys.executable} -c "import sys
sys.version_info = (*map(int, '@VERSION@'.split('.')), 0)
$2" ;;
    esac ;;
"-m venv")
    echo "venv @VERSION@" >>"$LOG"
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip")
    shift 2
    case $* in *"config list") echo "$PIP_SETTINGS" && exit ;; esac
    echo "pip $*" >>"$LOG"
    [ ! -e "$FAIL" ] ;;
*) exit 9 ;;
esac
"""


UV = """#!/bin/sh
[ "$1" != --version ] || { echo "uv 0.0" && exit; }
echo "uv $*" >>"$LOG"
[ ! -e "$FAIL-uv" ]
"""


class Machine:
    """A checkout of our own and a PATH with nothing but what is put there."""

    def __init__(self, directory: Path) -> None:
        self.checkout = directory / "checkout"
        self.bin = directory / "bin"
        self.log = directory / "log"
        self.fail = directory / "fail"
        (self.checkout / "scripts").mkdir(parents=True)
        (self.checkout / "supervision").mkdir()
        self.bin.mkdir()
        for name in (
            "scripts/bootstrap",
            "pyproject.toml",
            "supervision/pyproject.toml",
            "requirements.lock",
            "requirements-dev.lock",
        ):
            shutil.copy(ROOT / name, self.checkout / name)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)

    def python(self, name: str, version: str = "3.12", *, ensurepip: bool = True) -> None:
        text = WORKING.replace("@VERSION@", version).replace("@ENSUREPIP@", "01"[not ensurepip])
        self.executable(name, text)

    def executable(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def bootstrap(self, kind: str = "run", **environment: str) -> tuple[int, str]:
        process = subprocess.run(
            [self.checkout / "scripts" / "bootstrap", kind],
            env={
                "PATH": str(self.bin),
                "LOG": str(self.log),
                "FAIL": str(self.fail),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.stdout == ""
        return process.returncode, process.stderr

    def done(self) -> list[str]:
        """Return what was called since the last time."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.replace("--disable-pip-version-check --quiet ", "") for line in lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


RUN = [
    "pip install -r requirements.lock",
    "pip install --no-deps --editable ./supervision --editable .",
]


def test_the_newest_supported_interpreter_is_taken(machine: Machine):
    """3.14 before 3.13 before 3.12 before 3.11 before python3."""
    machine.python("python3", "3.11")
    machine.python("python3.13", "3.13")
    machine.python("python3.14", "3.14")
    code, said = machine.bootstrap()
    assert code == 0, said
    assert machine.done() == ["venv 3.14", *RUN]


def test_a_newer_interpreter_than_was_tried_is_better_than_none(machine: Machine):
    """Taken where it is all there is, and said, with what to do if it fails."""
    machine.python("python3", "3.99")
    code, said = machine.bootstrap()
    assert code == 0
    assert "not tried yet on Python 3.99; if it fails: make run PYTHON=python3.14" in said
    assert machine.done() == ["venv 3.99", *RUN]
    assert machine.bootstrap() == (0, "")
    machine.checkout.joinpath(".venv/bin/python").unlink()
    machine.python("python3.11", "3.11")
    code, said = machine.bootstrap()
    assert "not tried" not in said
    assert machine.done() == ["venv 3.11", *RUN]


def test_an_interpreter_that_does_not_run_is_passed_over(machine: Machine):
    """A pyenv shim of a version that is not selected is on PATH and fails."""
    machine.executable("python3.13", "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    machine.python("python3.11", "3.11")
    code, said = machine.bootstrap()
    assert code == 0
    assert "pyenv" not in said
    assert machine.done() == ["venv 3.11", *RUN]


def test_an_unsupported_version_is_not_taken(machine: Machine):
    """One that is too old is said to be missing, with the way to name one."""
    machine.python("python3", "3.10")
    code, said = machine.bootstrap()
    assert code == 1
    assert "no Python 3.11 or newer found" in said
    assert "PYTHON=" in said
    assert machine.done() == []


def test_without_ensurepip_the_package_to_install_is_named(machine: Machine):
    """Debian's python3 has no ensurepip until python3-venv is there."""
    machine.python("python3", "3.11", ensurepip=False)
    code, said = machine.bootstrap()
    assert code == 1
    assert "apt install python3-venv (or python3.11-venv)" in said
    assert machine.done() == []


def test_one_that_can_make_environments_is_preferred(machine: Machine):
    """A newer interpreter without ensurepip does not stand in the way of an older one with it."""
    machine.python("python3.13", "3.13", ensurepip=False)
    machine.python("python3.11", "3.11")
    assert machine.bootstrap()[0] == 0
    assert machine.done() == ["venv 3.11", *RUN]


def test_the_named_interpreter_is_taken_or_refused(machine: Machine):
    """PYTHON wins over what PATH has; one that does not run or does not fit is named."""
    machine.python("python3.13", "3.13")
    machine.python("mine", "3.12")
    machine.python("old", "3.9")
    assert machine.bootstrap(PYTHON="mine")[0] == 0
    assert machine.done() == ["venv 3.12", *RUN]
    code, said = machine.bootstrap(PYTHON="nowhere")
    assert (code, "PYTHON=nowhere does not run" in said) == (1, True)
    code, said = machine.bootstrap(PYTHON="old")
    assert (code, "PYTHON=old is 3.9" in said) == (1, True)


def test_a_second_run_does_nothing(machine: Machine):
    """Quick, and without the network, until what is to be installed has changed."""
    machine.python("python3")
    machine.bootstrap()
    machine.done()
    assert machine.bootstrap() == (0, "")
    assert machine.done() == []
    os.utime(machine.checkout / "requirements.lock")
    assert machine.bootstrap() == (0, "")
    (machine.checkout / "requirements.lock").write_text("trio==0.0\n")
    assert machine.bootstrap()[0] == 0
    assert machine.done() == RUN


def test_the_development_install_serves_both(machine: Machine):
    """After `dev` nothing is left to do for `run`; after `run`, `dev` adds its own."""
    machine.python("python3")
    machine.bootstrap("run")
    machine.done()
    machine.bootstrap("dev")
    assert machine.done() == ["pip install -r requirements-dev.lock", RUN[1]]
    machine.bootstrap("run")
    machine.bootstrap("dev")
    assert machine.done() == []


def test_an_installation_that_failed_is_not_taken_for_done(machine: Machine):
    """No network the first time: the second time tries again."""
    machine.python("python3")
    machine.fail.touch()
    assert machine.bootstrap()[0] != 0
    machine.done()
    machine.fail.unlink()
    assert machine.bootstrap()[0] == 0
    assert machine.done() == RUN


def test_another_named_version_makes_the_environment_again(machine: Machine):
    """`make run PYTHON=python3.13` after a run with 3.11 does not stay with 3.11."""
    machine.python("python3.11", "3.11")
    machine.python("python3.13", "3.13")
    machine.bootstrap(PYTHON="python3.11")
    machine.done()
    assert machine.bootstrap(PYTHON="python3.13")[0] == 0
    assert machine.done() == ["venv 3.13", *RUN]


def test_a_broken_environment_is_made_again(machine: Machine):
    """Its interpreter was removed by an upgrade of the system."""
    machine.python("python3")
    machine.bootstrap()
    machine.done()
    machine.checkout.joinpath(".venv/bin/python").unlink()
    assert machine.bootstrap()[0] == 0
    assert machine.done() == ["venv 3.12", *RUN]


UV_RUN = [
    f"uv --quiet {step.replace('install', 'install --python .venv/bin/python')}" for step in RUN
]


def test_uv_installs_where_there_is_one(machine: Machine):
    """It takes a tenth of the time; what it cannot do is tried with pip."""
    machine.python("python3")
    machine.executable("uv", UV)
    assert machine.bootstrap()[0] == 0
    assert machine.done() == ["venv 3.12", *UV_RUN]
    assert machine.bootstrap() == (0, "")
    (machine.checkout / "requirements.lock").write_text("trio==0.0\n")
    machine.fail.with_name(f"{machine.fail.name}-uv").touch()
    code, said = machine.bootstrap()
    assert code == 0
    assert "uv could not; trying pip" in said
    assert machine.done() == [UV_RUN[0], *RUN]


def test_what_pip_was_told_of_another_index_holds(machine: Machine):
    """Uv does not read it, and would take the packages from elsewhere, unless it was told too."""
    machine.python("python3")
    machine.executable("uv", UV)
    told = {"PIP_SETTINGS": "global.index-url='https://mirror.example/simple'"}
    assert machine.bootstrap(**told)[0] == 0
    assert machine.done() == ["venv 3.12", *RUN]
    (machine.checkout / "requirements.lock").write_text("trio==0.0\n")
    assert machine.bootstrap(UV_DEFAULT_INDEX="https://mirror.example/simple", **told)[0] == 0
    assert machine.done() == UV_RUN


def test_a_uv_that_does_not_run_is_passed_over(machine: Machine):
    """Such as a pyenv shim of a version that is not selected."""
    machine.python("python3")
    machine.executable("uv", "#!/bin/sh\necho 'pyenv: uv: command not found' >&2\nexit 127\n")
    code, said = machine.bootstrap()
    assert (code, "pyenv" in said) == (0, False)
    assert machine.done() == ["venv 3.12", *RUN]
