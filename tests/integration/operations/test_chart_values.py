"""The values of the chart: which are refused, that none is left out, that nothing is said twice."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from scripts.chart import described, files
from stockstream.config import PRIVATE, Settings
from tests.integration.operations.charts import CASES, CHART, RELEASE, ROOT, helm, rendering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())

WRONG = {
    "replicaCoun=2": ["'replicaCoun' not allowed"],
    "replicaCount=two": ["/replicaCount", "want integer"],
    "replicaCount=0": ["/replicaCount", "minimum"],
    "replicaCount=2": ["replicaCount: several nodes need NATS"],
    "autoscaling.enabled=true": ["replicaCount: several nodes need NATS"],
    "image.tga=1": ["/image", "'tga' not allowed"],
    "dashboard=closed": ["/dashboard", "'open', 'login'"],
    "settings.LOG_LEVELL=debug": ["/settings", "'LOG_LEVELL' not allowed"],
    "settings.LOG_LEVEL=loud": ["/settings/LOG_LEVEL", "'debug'"],
    "settings.MAX_CONNECTIONS=many": ["/settings/MAX_CONNECTIONS", "want integer"],
    "settings.DRAIN_TIMEOUT=8": ["/settings/DRAIN_TIMEOUT", "maximum"],
    "settings.ADMIN_TOKEN=x": ["/settings", "'ADMIN_TOKEN' not allowed"],
    "settings.PORT=80": ["/settings", "'PORT' not allowed"],
    "settings.STOCK_API_URL=https://me:secret@api": ["/settings/STOCK_API_URL", "pattern"],
    "settings.CLUSTER_NATS_URL=nats://t@n": ["/settings/CLUSTER_NATS_URL", "pattern"],
    "settings.STOCK_API_URL=": ["/settings/STOCK_API_URL", "pattern"],
    "secrets.existingSecret=": ["secrets.existingSecret: name the Secret"],
    "secrets.keys.ADMIN_TOKEN=": ["secrets.keys.ADMIN_TOKEN: is required"],
    "secrets.keys.LOG_LEVEL=x": ["/secrets/keys", "'LOG_LEVEL'"],
    "secrets.keys.ADMIN_TOKEN=a/b": ["/secrets/keys/ADMIN_TOKEN", "pattern"],
    "secrets.keys.STOCK_API_URL=x": ["settings.STOCK_API_URL: stands in secrets.keys too"],
    "otel.OTEL_EXPORTER_OTLP_HEADERS=x": ["/otel", "OTEL_EXPORTER_OTLP_HEADERS"],
    "nats.enabled=true,settings.CLUSTER_NATS_URL=nats://n": ["nats.enabled: CLUSTER_NATS_URL"],
    "preStopSeconds=25": ["terminationGracePeriodSeconds: must be above"],
    "autoscaling.minReplicas=11": ["autoscaling.minReplicas: is above"],
    "ingress.enabled=true": ["ingress.hosts: name at least one"],
    "httpRoute.enabled=true": ["httpRoute.parentRefs: name at least one"],
    "backup.enabled=true": ["backup.existingClaim: name the claim"],
    "settings.BACKUP_SCHEDULE=every 6h": ["backup.existingClaim: name the claim"],
    "settings.BACKUP_SCHEDULE=03:30,backup.enabled=true": ["settings.BACKUP_SCHEDULE: has the"],
    "settings.BACKUP_DIRECTORY=/x": ["/settings", "'BACKUP_DIRECTORY' not allowed"],
    "persistence.size=5GB": ["/persistence/size", "pattern"],
    "metrics.rules.enabled=yes": ["/metrics/rules/enabled", "want boolean"],
}


@pytest.mark.parametrize("given", WRONG)
def test_a_wrong_value_is_refused_by_its_name(given: str, tmp_path: Path) -> None:
    """Nothing is rendered, and the message says which value it was."""
    minimal = CASES["minimal"]
    ended = rendering("--values", minimal, "--set", given, folder=tmp_path)
    assert ended.returncode != 0
    assert ended.stdout == ""
    for text in WRONG[given]:
        assert text in ended.stderr


def test_a_long_name_of_a_release_leaves_room(tmp_path: Path) -> None:
    """For what Kubernetes adds to the name of a StatefulSet, and a CronJob."""
    given = ("backup.enabled=true", "postgresql.enabled=true", "persistence.enabled=true")
    values = [word for each in given for word in ("--set", each)]
    claim = ("--set", "backup.existingClaim=x", "--values", CASES["minimal"])
    ended = helm("template", "r" * 53, CHART, *values, *claim, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    made = [each for each in yaml.safe_load_all(ended.stdout) if each]
    names = [
        each["metadata"]["name"] for each in made if each["kind"] in {"StatefulSet", "CronJob"}
    ]
    assert len(names) == 3
    assert max(map(len, names)) <= 52


def test_where_prices_come_from_has_to_be_said(tmp_path: Path) -> None:
    """Without it the bundled stub would make some up."""
    ended = rendering("--set", "secrets.existingSecret=x", folder=tmp_path)
    assert ended.returncode != 0
    assert "settings.STOCK_API_URL: say where prices come from" in ended.stderr


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("metrics.serviceMonitor.enabled=true", "ServiceMonitor"),
        ("metrics.rules.enabled=true", "PrometheusRule"),
        ("httpRoute.enabled=true,httpRoute.parentRefs[0].name=x", "HTTPRoute"),
    ],
)
def test_what_the_cluster_does_not_know_is_said(switch: str, kind: str, tmp_path: Path) -> None:
    """Left out without a word, nobody would miss it until it is needed."""
    minimal = ("--values", CASES["minimal"], "--set", switch)
    ended = helm("template", RELEASE, CHART, *minimal, folder=tmp_path)
    assert ended.returncode != 0
    assert f"the cluster knows no {kind}" in ended.stderr


def objects_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of a schema that lists properties."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        yield path, schema
        for name, below in schema["properties"].items():
            yield from objects_of(below, f"{path}.{name}".lstrip("."))


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in values.items():
        here = f"{path}.{name}".lstrip(".")
        yield here
        if isinstance(value, dict):
            yield from leaves(value, here)


def test_the_schema_is_closed_and_knows_every_value() -> None:
    """Of each object; and it knows none that is not in the file."""
    known = dict(objects_of(SCHEMA))
    assert all(schema["additionalProperties"] is False for schema in known.values())
    listed = {f"{path}.{name}".lstrip(".") for path in known for name in known[path]["properties"]}
    free = ("settings.", "secrets.keys.", "resources.", ".resources.")
    ours = {path for path in leaves(VALUES) if not any(each in f"{path}." for each in free)}
    listed = {path for path in listed if not any(each in f"{path}." for each in free)}
    assert listed - {"global"} == ours


def test_every_value_is_described() -> None:
    """By a comment above it, of which the README is made."""
    told = {name for name, _default, _text in described()}
    for path in leaves(VALUES):
        above = {".".join(path.split(".")[:number]) for number in range(1, path.count(".") + 2)}
        below = any(name.startswith(f"{path}.") for name in told)
        assert above & told or below, path


def test_what_is_generated_is_up_to_date() -> None:
    """The table of the README, and the settings in the schema, which are those of the program."""
    for path, text in files().items():
        assert path.read_text() == text, f"{path.name}: `make readme` writes it anew"
    settings = SCHEMA["$defs"]["settings"]["properties"]
    assert {name.lower() for name in settings} < set(Settings.model_fields)
    keys = SCHEMA["$defs"]["secretKeys"]["properties"]
    assert {name.upper() for name in PRIVATE} < set(keys)


def test_versions_and_images_are_said_once() -> None:
    """The chart is of this program, and starts the servers that docker-compose.yml does."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert VALUES["nats"]["image"] == services["nats"]["image"]
    assert VALUES["postgresql"]["image"] == services["postgres"]["image"]
    users = re.findall(r"^USER (\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    nodes = (CHART / "templates" / "nodes.yaml").read_text()
    assert users[-1:] == re.findall(r'podSecurity" (\d+)', nodes)


def test_a_package_has_all_it_needs_and_no_more(tmp_path: Path) -> None:
    """Rules and dashboards, which are links here; no values of the tests."""
    ended = helm("package", CHART, "--destination", tmp_path, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as tar:
        names = {each.name.removeprefix("stockstream/"): each for each in tar}
    assert "files/stockstream.rules.yaml" in names
    assert sum(name.startswith("files/dashboards/") for name in names) >= 7
    assert all(each.isreg() for each in names.values())
    assert not any(name.startswith("ci/") for name in names)
    ended = helm("template", RELEASE, package, "--values", CASES["minimal"], folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
