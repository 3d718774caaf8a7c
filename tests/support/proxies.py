"""Real reverse proxies, with exactly the configurations that `docs/proxies.md` shows.

A test changes only what a reader has to change, too: ports, and the files of the certificate.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.server import ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = ROOT / "docs" / "proxies.md"
NAME = "stocks.example.com"
"""The host's name on the page."""
UPSTREAM = "127.0.0.1:4000"
START_SECONDS = 20.0
STOP_SECONDS = 10.0
APACHE_MODULES = Path("/usr/lib/apache2/modules")


@dataclass(frozen=True)
class Kind:
    """A program: how to start it, and the configuration needed around that of the page."""

    program: str
    command: Callable[[Path], list[str]]
    around: Callable[[str, Path], str]
    listen: str
    """The page's listening address; `{port}` in `listen_here` is the test's."""
    listen_here: str


def _nginx_around(text: str, folder: Path) -> str:
    user = "user root;\n" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\n  access_log off;\n{temporary}{text}\n}}\n"
    )


def _caddy_around(text: str, folder: Path) -> str:
    return f"{{\n  admin off\n  auto_https off\n  storage file_system {folder}/caddy\n}}\n{text}"


def _apache_around(text: str, folder: Path) -> str:
    modules = "mpm_event authz_core socache_shmcb ssl headers proxy proxy_http proxy_wstunnel"
    loaded = "".join(
        f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n" for name in modules.split()
    )
    user = "User nobody\nGroup nogroup\n" if os.geteuid() == 0 else ""
    return (
        f"ServerRoot {folder}\nServerName {NAME}\nPidFile {folder}/apache.pid\n"
        f"ErrorLog /dev/stderr\nDefaultRuntimeDir {folder}\nMutex file:{folder}\n{loaded}"
        f"{user}{text}"
    )


def _traefik_command(path: Path) -> list[str]:
    """The flags of the first line of the page's block; they are not of the same file."""
    first, *_ = path.read_text().splitlines()
    flags = first.removeprefix("# traefik ").replace("/etc/traefik/stocks.yaml", str(path))
    return flags.split()


KINDS = {
    "nginx": Kind(
        "nginx",
        lambda path: ["-e", "stderr", "-p", str(path.parent), "-c", str(path)],
        _nginx_around,
        "listen 443 ssl",
        "listen {port} ssl",
    ),
    "haproxy": Kind(
        "haproxy",
        lambda path: ["-db", "-f", str(path)],
        lambda text, _: text,
        "bind :443",
        "bind :{port}",
    ),
    "caddy": Kind(
        "caddy",
        lambda path: ["run", "--adapter", "caddyfile", "--config", str(path)],
        _caddy_around,
        f"{NAME} {{\n",
        # Without a public name the proxy cannot get a certificate itself.
        f"{NAME}:{{port}} {{{{\n  tls {{certificate}} {{certificate}}\n",
    ),
    "apache": Kind(
        "apache2",
        lambda path: ["-f", str(path), "-DFOREGROUND"],
        _apache_around,
        "<VirtualHost *:443>",
        "Listen {port}\n<VirtualHost *:{port}>",
    ),
    "traefik": Kind(
        "traefik",
        _traefik_command,
        lambda text, _: text,
        "websecure.address=:443",
        "websecure.address=:{port}",
    ),
}


@dataclass(frozen=True)
class Proxy:
    """A running one."""

    port: int

    @property
    def authority(self) -> str:
        """What stands in `Host`."""
        return f"{NAME}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.authority}"


def documented(name: str) -> str:
    """The configuration of the page under that name."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.findall(rf"<!-- tested: {re.escape(name)} -->\n+```\w*\n(.*?)```", page, re.DOTALL)
    assert len(found) == 1, f"{len(found)} configurations named {name} in {PAGE}"
    return str(found[0])


def find(kind: str) -> str | None:
    """Where the program is, if it is there."""
    if kind == "apache" and not APACHE_MODULES.exists():
        return None
    places = [os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", str(Path(sys.executable).parent)]
    return shutil.which(KINDS[kind].program, path=os.pathsep.join(places))


def require(kind: str) -> str:
    """The same; the test is skipped without it, or fails where `scripts/proxies` installs it."""
    path = find(kind)
    if path is not None:
        return path
    told = f"no {KINDS[kind].program} on PATH"
    ours_to_install = shutil.which("apt-get") and not Path("/run/systemd/system").exists()
    if os.environ.get("CI") == "true" and os.geteuid() == 0 and ours_to_install:
        pytest.fail(told)
    pytest.skip(told)


@contextmanager
def proxying(kind: str, text: str, to: str, certificate: Path, folder: Path) -> Iterator[Proxy]:
    """Run a proxy with a configuration, before the server at `to` (`host:port`)."""
    program, what = require(kind), KINDS[kind]
    folder = folder / kind
    folder.mkdir()
    port = free_port()
    here = what.listen_here.format(port=port, certificate=certificate)
    for said, done in [(what.listen, here), (UPSTREAM, to)]:
        assert said in text, f"the configuration of {kind} has no {said!r}"
        text = text.replace(said, done)
    text = re.sub(r"/etc/ssl/stocks\.(?:pem|key)", str(certificate), text)
    path = folder / "configuration.yaml"  # Traefik looks at how it ends
    path.write_text(what.around(text, folder))
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *what.command(path)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )
    try:
        _wait_until_it_listens(process, port, log)
        yield Proxy(port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1) as raw,
            # Traefik listens before it has read its file, and speaks no TLS so long.
            context.wrap_socket(raw, server_hostname=NAME),
        ):
            return
        time.sleep(0.01)
    raise AssertionError(f"the proxy did not start:\n{log.read_text(errors='replace')}")


def own_address() -> str:
    """An address of this machine that is not loopback: a client from it is not trusted.

    Nothing is sent: the kernel is asked for the address it would send from.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback ones")
        address: str = probe.getsockname()[0]
        return address
