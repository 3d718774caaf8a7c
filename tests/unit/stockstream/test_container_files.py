"""docker-compose.yml and the Dockerfile agree with the program: names, ports, no secrets."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stockstream.cluster.nats_server import program
from stockstream.config import Settings
from stockstream.environment import load
from tests.support.prometheus import checked

CLUSTER = ("nats", "node-1", "node-2", "node-3", "balancer")
OBSERVABILITY = ("prometheus", "alertmanager", "grafana")
ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")
OPTIONAL = re.compile(r"\$\{\w+:-([^}]*)\}")
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE)["services"]


def test_the_documented_services_and_ports(services: dict[str, Any]):
    """PostgreSQL 5432, the stub API 1080 (8080 inside), the server 4000."""
    assert set(services) == {"postgres", "mockserver", "server", *CLUSTER, *OBSERVABILITY}
    assert [entry.split(":")[-2:] for entry in services["postgres"]["ports"]] == [["5432", "5432"]]
    assert [entry.split(":")[-2:] for entry in services["mockserver"]["ports"]] == [
        ["1080", "8080"]
    ]
    assert services["server"]["ports"] == ["127.0.0.1:4000:4000"]
    command = services["mockserver"]["command"]
    assert command[:2] == ["stockstream", "mock"]
    assert command[command.index("--port") + 1] == "8080"


def test_every_service_is_watched_and_bounded(services: dict[str, Any]):
    """A health check that begins with CMD (no shell), a memory and a processor limit."""
    for name, service in services.items():
        if name != "server" and not name.startswith("node-"):  # the image's own check is theirs
            assert service["healthcheck"]["test"][0] == "CMD", name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["restart"] == "unless-stopped", name
    assert "HEALTHCHECK" in DOCKERFILE
    assert "/health/live" in DOCKERFILE


def test_the_server_waits_for_healthy_services(services: dict[str, Any]):
    """Not only for started ones."""
    assert services["server"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "mockserver": {"condition": "service_healthy"},
    }


def test_the_cluster_is_a_profile_of_its_own(services: dict[str, Any]):
    """Three nodes that differ in their names alone, behind a balancer, with a NATS of their own."""
    for name, service in services.items():
        assert (service.get("profiles") == ["cluster"]) is (name in CLUSTER), name
    nodes = {name: services[name] for name in CLUSTER if name.startswith("node-")}
    for name, node in nodes.items():
        environment = dict(node["environment"])
        assert environment.pop("NODE_NAME") == name
        assert environment == {
            **services["server"]["environment"],
            "ALLOWED_HOSTS": "node-1,node-2,node-3,${ALLOWED_HOSTS:-}",
            "CLUSTER_NATS_URL": "nats://nats:4222",
            "TRUSTED_PROXIES": "172.30.47.0/28",
        }
        assert "ports" not in node
        assert node["volumes"] == [f"{name}:/var/lib/stockstream", "backups:/backups"]
    document = yaml.safe_load(COMPOSE)
    assert services["nats"]["networks"] == ["bus"]
    assert document["networks"]["bus"]["internal"] is True
    assert services["balancer"]["depends_on"] == {
        name: {"condition": "service_healthy"} for name in nodes
    }
    assert document["networks"]["front"]["ipam"]["config"] == [{"subnet": "172.30.47.0/28"}]


def test_who_watches_is_a_profile_of_its_own(services: dict[str, Any]):
    """On this machine alone, of pinned images, with files that are there, and secrets in files."""
    document = yaml.safe_load(COMPOSE)
    written = set(re.findall(r">\.secrets/(\w+)", (ROOT / "scripts" / "make-secrets").read_text()))
    assert {f"./.secrets/{name}" for name in written} == {
        secret["file"] for secret in document["secrets"].values()
    }
    for name in OBSERVABILITY:
        service = services[name]
        assert service["profiles"] == ["observability"]
        assert re.fullmatch(r"(prom|grafana)/\w+:v?\d+\.\d+\.\d+", service["image"]), name
        (port,) = service["ports"]
        assert port.startswith("127.0.0.1:"), name
        for volume in service["volumes"]:
            source, target, *_ = OPTIONAL.sub(r"\1", volume).split(":")
            assert source in document["volumes"] or (ROOT / source).exists(), volume
            assert target.startswith("/")


def targets(kind: str) -> set[str]:
    """Whom Prometheus asks."""
    file = ROOT / "deploy" / "prometheus" / "targets" / f"{kind}.yaml"
    (group,) = yaml.safe_load(file.read_text())
    return set(group["targets"])


def test_prometheus_and_alertmanager_take_their_configurations(services: dict[str, Any]):
    """By their own checks; Prometheus finds the rules, the other services and the token there."""
    folder = ROOT / "deploy" / "prometheus"
    file = folder / "prometheus.yaml"
    checked("promtool", "check", "config", "--syntax-only", file)
    checked("amtool", "check-config", ROOT / "deploy" / "alertmanager" / "quiet.yaml")
    told = yaml.safe_load(file.read_text())
    assert [path.name for each in told["rule_files"] for path in folder.glob(each)] == [
        "stockstream.rules.yaml"
    ]
    (job,) = told["scrape_configs"]
    token = Path(job["authorization"]["credentials_file"])
    assert token.parent == Path("/run/secrets")
    assert token.name in services["prometheus"]["secrets"]
    assert job["file_sd_configs"] == [{"files": ["/etc/stockstream/targets.yaml"]}]
    assert targets("server") == {"server:4000"}
    assert targets("cluster") == {f"node-{number}:4000" for number in (1, 2, 3)}
    for name in ("server", "node-1"):
        hosts = services[name]["environment"]["ALLOWED_HOSTS"].split(",")
        kind = "server" if name == "server" else "cluster"
        assert {target.removesuffix(":4000") for target in targets(kind)} <= set(hosts)
    (alertmanagers,) = told["alerting"]["alertmanagers"]
    assert alertmanagers["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    provisioned = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioned / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == told["global"]["scrape_interval"]
    (folder_of,) = yaml.safe_load((provisioned / "dashboards" / "stockstream.yaml").read_text())[
        "providers"
    ]
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == folder_of["options"]["path"]
    assert (ROOT / "deploy" / "grafana" / "dashboards" / home.name).exists()


def test_the_files_of_secrets_are_written_from_env(tmp_path: Path):
    """For their owner alone, by the directory; a token that was changed goes into the same file."""
    script = tmp_path / "scripts" / "make-secrets"
    script.parent.mkdir()
    shutil.copy(ROOT / "scripts" / "make-secrets", script)
    refused = subprocess.run([script], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "make .env" in refused.stderr
    folder = tmp_path / ".secrets"
    assert not folder.exists()
    for token in ("a" * 64, "b" * 64):
        (tmp_path / ".env").write_text(f"SECRET_KEY_BASE=x\nADMIN_TOKEN={token}\n")
        subprocess.run([script], check=True)
        assert (folder / "metrics_token").read_text() == f"{token}\n"
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("metrics_token", "grafana_password"):
        assert (folder / name).stat().st_mode & 0o777 == 0o644, "other users read it in a container"
    password = (folder / "grafana_password").read_text()
    assert len(password) == 32
    (folder / "metrics_token").write_text("ss_an API token\n")
    subprocess.run([script], check=True)
    assert (folder / "grafana_password").read_text() == password
    assert (folder / "metrics_token").read_text() == "ss_an API token\n"


def test_the_balancer_takes_its_configuration(tmp_path: Path):
    """By its own check; a node that starts or ends gets no clients, and one without prices does."""
    text = yaml.safe_load(COMPOSE)["configs"]["balancer"]["content"]
    assert "uri /health/traffic " in text
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        pytest.skip("no haproxy here: `scripts/proxies` installs it")
    file = tmp_path / "haproxy.cfg"
    file.write_text(text)
    ended = subprocess.run([haproxy, "-c", "-f", file], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_nats_takes_its_configuration(tmp_path: Path):
    """By its own check."""
    file = tmp_path / "nats.conf"
    file.write_text(yaml.safe_load(COMPOSE)["configs"]["nats"]["content"])
    ended = subprocess.run(
        [program(), "-t", "-c", file], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_no_secret_stands_in_the_files(services: dict[str, Any]):
    """Each comes from .env, and its absence stops compose with a hint, but for the one that only
    stands there while another is being replaced, and for those of a login by a provider and of a
    server for mail.
    """
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if name.endswith("__FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], name
            elif name in {"SECRET_KEY_BASE_PREVIOUS", "OIDC_CLIENT_SECRET", "SMTP_PASSWORD"}:
                assert value == f"${{{name}:-}}"
            elif SECRET.search(name):
                assert REQUIRED.fullmatch(value), name
    userinfo = re.findall(r"://[^@\n]*@", COMPOSE)
    assert userinfo
    for text in userinfo:
        assert REQUIRED.search(text)
    assert not SECRET.search(DOCKERFILE)


def test_make_env_writes_what_compose_requires():
    """`make .env` gives each required variable a value, and nothing that is not required."""
    written = re.findall(r'echo "(\w+)=', (ROOT / "scripts" / "make-env").read_text())
    assert sorted(written) == sorted({match[1] for match in REQUIRED.finditer(COMPOSE)})


@pytest.mark.parametrize("service", ["server", "node-1"])
def test_the_container_starts_with_these_settings(
    service: str, services: dict[str, Any], clean: Path, monkeypatch: pytest.MonkeyPatch
):
    """What image and compose set is known and valid, in production, together."""
    image = dict(re.findall(r"^(?:ENV)? +([A-Z_]+)=(\S+?)(?: \\)?$", DOCKERFILE, re.MULTILINE))
    given = {**image, **services[service]["environment"]}
    ours = {name: value for name, value in given.items() if name.lower() in Settings.model_fields}
    assert {"HOST", "DATA_DIRECTORY", "STOCK_API_URL", "DATABASE_URL"} <= set(ours)
    for name, value in ours.items():
        drawn = REQUIRED.sub(lambda match: match[1].ljust(64, "x"), value)
        monkeypatch.setenv(name, OPTIONAL.sub(r"\1", drawn))
    settings = load().settings
    assert settings.production
    assert settings.host == "0.0.0.0"
    assert list(clean.iterdir()) == []


@pytest.mark.parametrize("service", ["server", "node-1"])
def test_mail_and_backups_are_turned_on_by_what_stands_in_env(
    service: str, services: dict[str, Any]
):
    """All settings of them are handed on; the folder of backups is a volume that the user owns."""
    environment, volumes = services[service]["environment"], services[service]["volumes"]
    names = {name.upper() for name in Settings.model_fields}
    wanted = {name for name in names if name.startswith(("SMTP_", "BACKUP_"))} | {
        "MAIL_FROM",
        "PUBLIC_URL",
    }
    folder = environment["BACKUP_DIRECTORY"]
    for name in wanted - {"BACKUP_DIRECTORY"}:
        assert environment[name] == f"${{{name}:-}}"
    assert f"backups:{folder}" in volumes
    assert re.search(rf"install -d -o stockstream [^\\]* {folder} ", DOCKERFILE)


def test_the_image_is_pinned_and_drops_root():
    """A version to the patch, the same in both stages, a supported Python, a user of its own."""
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", DOCKERFILE, re.MULTILINE)
    names = [name for _base, name in stages]
    assert names == ["build", "runtime", "dev", ""], "the last one is what is built by default"
    assert stages[-1] == ("runtime", "")
    (base,) = {base for base, _name in stages} - set(names)
    assert f'image.base.name="{base}"' in DOCKERFILE
    version = re.fullmatch(r"python:3\.(\d+)\.\d+-slim-\w+", base)
    assert version
    assert 11 <= int(version[1]) <= 13
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1] not in {"root", "0"}


def test_the_image_gets_every_package():
    """What pyproject.toml packages is copied in and not ignored."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    for package in ("supervision", *(pattern.removesuffix("*") for pattern in patterns)):
        assert f"COPY {package} {package}" in DOCKERFILE
        assert f"!{package}" in ignore
    assert "--no-deps ./supervision ." in DOCKERFILE


def test_the_image_says_what_it_is_and_holds_no_tools():
    """Labels of the OCI, a bill of materials, and no pip, neither ours nor that of the base."""
    for name in ("title", "description", "licenses", "base.name", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in DOCKERFILE
    assert "--output-file /opt/stockstream/sbom.json" in DOCKERFILE
    assert "pip --disable-pip-version-check uninstall --yes --quiet pip" in DOCKERFILE
    runtime = DOCKERFILE[DOCKERFILE.index(" AS runtime") : DOCKERFILE.index(" AS dev")]
    assert "/site-packages/pip " in runtime
    assert "ensurepip" in runtime


def test_how_many_files_a_container_may_open_can_be_said(services: dict[str, Any]):
    """Where the machine allows fewer it could not start; and the build says which commit it is."""
    for name, service in services.items():
        if "ulimits" in service:
            assert service["ulimits"]["nofile"] == dict.fromkeys(
                ("soft", "hard"), "${NOFILE:-24000}"
            )
            assert "nproc" in service["ulimits"], "what a service says replaces all that is usual"
        if "build" in service:
            assert service["build"]["args"]["COMMIT"] == "${COMMIT:-unknown}", name
    assert {"server", "node-1"} <= {name for name in services if "ulimits" in services[name]}


def test_for_developers_the_source_is_mounted_and_watched(services: dict[str, Any]):
    """By a program of the image's stage `dev`, in folders that there are, of known services."""
    document = yaml.safe_load((ROOT / "docker-compose.dev.yml").read_text())
    watched = set()
    for name, service in document["services"].items():
        assert name in services
        assert service["build"]["target"] == "dev"
        assert service["image"] != services[name]["image"], "or the next `up` would take this one"
        assert service["volumes"] == [".:/source:ro"]
        assert service["environment"]["PYTHONPATH"] == "/source"
        program, *words = service["command"]
        assert program == "watchfiles"
        paths = [Path(word) for word in words if word.startswith("/source/")]
        for path in paths:
            assert (ROOT / path.relative_to("/source")).is_dir(), path
        watched |= {path.name for path in paths}
        (command,) = [word for word in words if word.startswith("stockstream ")]
        usual = services[name].get("command", ["stockstream", "serve"])
        assert command.split() == usual
    assert {"supervision", "stockstream", "web", "mockserver"} <= watched


def test_without_compose_make_says_what_it_needs(tmp_path: Path) -> None:
    """Docker alone would speak of an unknown flag."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 125\n")
    docker.chmod(0o755)
    made = subprocess.run(
        ["make", "--old-file=.env", "observability"],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode
    assert made.stderr.startswith("make observability needs docker with its compose plugin\n")
