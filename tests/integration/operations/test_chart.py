"""The Helm chart: for each values file what Kubernetes and the program make of its objects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml
from quart_trio import QuartTrio

from scripts.chart import FILES, MAY_STAND_OPEN
from stockstream.application import WEB_SHUTDOWN_SECONDS
from stockstream.cli import build
from stockstream.config import PRIVATE, Settings
from stockstream.environment import load
from stockstream.secret_places import file_variable
from stockstream.tables import Tables
from tests.integration.operations.charts import (
    CASES,
    CHART,
    CUSTOM,
    RELEASE,
    ROOT,
    Rendered,
    golden,
    helm,
    matches,
    rendering,
)
from web.traffic import Traffic
from web.watch.health import health

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = ROOT / "tests" / "integration" / "operations" / "chart"
OLDEST, NEWEST = "1.30", "1.37"
MOUNT = "/run/secrets/stockstream/"
CREDENTIALS = "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n"
SECRETS = {
    "database_url": "postgresql://stockstream:x@db.example/stockstream",
    "database_read_url": "postgresql://stockstream:x@replica.example/stockstream",
    "nats_url": "tls://token@nats.example:4222",
    "nats.creds": CREDENTIALS,
    "operator_webhook": "https://hooks.example/x",
}
"""What the Secret holds where any text will not do."""


def render(case: str, folder: Path) -> Rendered:
    made = rendering("--values", CASES[case], folder=folder)
    assert made.returncode == 0, made.stderr
    return Rendered(case, [each for each in yaml.safe_load_all(made.stdout) if each])


@pytest.fixture(scope="module", params=sorted(CASES))
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return render(request.param, tmp_path_factory.mktemp("helm"))


@pytest.mark.parametrize("case", sorted(CASES))
def test_lint_finds_nothing(case: str, tmp_path: Path) -> None:
    """Helm's own, with warnings as errors, and the schema of the values. No hint either."""
    ended = helm("lint", "--strict", CHART, "--values", CASES[case], folder=tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert "[" not in ended.stdout, ended.stdout


def test_kubernetes_takes_each_object(rendered: Rendered) -> None:
    """By the schemas of the oldest and of the newest version; some kinds are not its own."""
    for each in rendered.objects:
        if each["apiVersion"] in CUSTOM:
            continue
        for version in (OLDEST, NEWEST):
            kubernetes_validate.validate(each, version, strict=True)
        assert len(each["metadata"]["name"]) <= 63


def test_it_is_as_it_was(rendered: Rendered) -> None:
    """A change of the chart shows what it changes. GOLDEN=write takes it over."""
    file = GOLDEN / f"{rendered.name}.yaml"
    if os.environ.get("GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(golden(rendered))
    assert golden(rendered) == file.read_text(), "GOLDEN=write pytest writes it anew"


def test_the_program_starts_with_these_settings(
    rendered: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every variable is known, and all of them together are valid in production."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (container,) = rendered.nodes["spec"]["template"]["spec"]["containers"]
    for name, value in rendered.settings.items():
        assert name.lower() in Settings.model_fields or name.startswith("OTEL_"), name
        monkeypatch.setenv(name, value)
    for variable in container["env"]:
        name, value = variable["name"], variable.get("value", "a-pod")
        if value.startswith(MOUNT):
            key = value.removeprefix(MOUNT)
            assert name in FILES or name.endswith("_FILE")
            (tmp_path / key).write_text(SECRETS.get(key, key.ljust(40, "x")))
            value = str(tmp_path / key)
            if name.endswith("_CA") or name == "SSL_CERT_FILE":
                continue  # no certificate here
        monkeypatch.setenv(name, value)
    configuration = load()
    settings = configuration.settings
    assert settings.production
    assert not settings.uses_stub
    assert settings.node == "a-pod"
    assert settings.dashboard == rendered.settings["DASHBOARD"]
    assert configuration.given["ADMIN_TOKEN"].place == "file"
    several = int(rendered.nodes["spec"].get("replicas", 2)) > 1
    assert settings.cluster_nats_url is not None or not several
    assert settings.spool_size < room(rendered)


def room(rendered: Rendered) -> int:
    """Bytes that a node has for its data."""
    for volume in rendered.nodes["spec"]["template"]["spec"]["volumes"]:
        if volume["name"] == "data":
            size = volume["emptyDir"]["sizeLimit"]
            break
    else:
        (claim,) = rendered.nodes["spec"]["volumeClaimTemplates"]
        size = claim["spec"]["resources"]["requests"]["storage"]
    return int(size.removesuffix("Gi")) * 2**30


def test_no_secret_is_anywhere_but_in_the_secret(rendered: Rendered) -> None:
    """The chart makes no Secret, and a ConfigMap or a variable holds none."""
    assert not rendered.of("Secret")
    open_ones = {name.upper() for name in MAY_STAND_OPEN}
    private = {name.upper() for name in PRIVATE} - open_ones
    for each in rendered.of("ConfigMap"):
        if "-dashboard-" not in each["metadata"]["name"]:
            assert not private & each["data"].keys()
            # Those of mail have an @ and no secret: the program refuses a password in them.
            mail = ("SMTP_URL", "MAIL_FROM")
            assert not any("@" in text for key, text in each["data"].items() if key not in mail)
    for pod in rendered.pods():
        (container,) = pod["spec"]["containers"]
        mounts = {each["name"]: each["mountPath"] for each in container.get("volumeMounts", [])}
        files = {
            f"{mounts[volume['name']]}/{item['path']}"
            for volume in pod["spec"].get("volumes", [])
            for item in volume.get("secret", {}).get("items", [])
        }
        for variable in container.get("env", []):
            assert "secretKeyRef" not in variable.get("valueFrom", {})
            if variable.get("value", "").startswith("/run/secrets/"):
                assert variable["value"] in files, variable
                files.discard(variable["value"])
        assert not files, "mounted, and told to nobody"


def test_every_pod_is_locked_down(rendered: Rendered) -> None:
    """No root, no writable root, no token of Kubernetes; and a bound for memory."""
    for pod in rendered.pods():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        volumes = {each["name"] for each in spec.get("volumes", [])} | {"data"}
        assert {each["name"] for each in container.get("volumeMounts", [])} <= volumes


def test_ports_and_paths_agree(rendered: Rendered) -> None:
    """Of the program, the containers, their probes, the Services, and who asks these."""
    app = QuartTrio(__name__)
    app.register_blueprint(health(Tables(), Traffic(), lambda: 0))
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    (server,) = rendered.nodes["spec"]["template"]["spec"]["containers"]
    assert server["ports"] == [{"name": "http", "containerPort": int(rendered.settings["PORT"])}]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert server[probe]["httpGet"]["path"] in routes
    for pod in rendered.pods():
        (container,) = pod["spec"]["containers"]
        ports = {each["name"] for each in container.get("ports", [])}
        probes = [container[key] for key in container if key.endswith("Probe")]
        assert {each["httpGet"]["port"] for each in probes if "httpGet" in each} <= ports
        for service in rendered.of("Service"):
            if matches(service["spec"]["selector"], pod["metadata"]["labels"]):
                assert {each["targetPort"] for each in service["spec"]["ports"]} <= ports
    service = rendered.one("Service", rendered.fullname)
    names = {each["name"]: each["port"] for each in service["spec"]["ports"]}
    for ingress in rendered.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            (path,) = rule["http"]["paths"]
            assert path["backend"]["service"]["name"] == rendered.fullname
            assert path["backend"]["service"]["port"]["name"] in names
            assert rule["host"] in rendered.settings["ALLOWED_HOSTS"].split(",")
            assert path["path"] == rendered.settings.get("BASE_PATH", "/")
    for route in rendered.of("HTTPRoute"):
        (rule,) = route["spec"]["rules"]
        assert rule["backendRefs"] == [{"name": rendered.fullname, "port": names["http"]}]
        assert set(route["spec"]["hostnames"]) <= set(rendered.settings["ALLOWED_HOSTS"].split(","))
    for monitor in rendered.of("ServiceMonitor"):
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in names
    for scaler in rendered.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert target == {
            "apiVersion": "apps/v1",
            "kind": rendered.nodes["kind"],
            "name": rendered.fullname,
        }


def test_selectors_find_what_they_are_meant_for(rendered: Rendered) -> None:
    """Each workload its own pods, and each Service, policy and budget the pods of one workload."""
    labels = [pod["metadata"]["labels"] for pod in rendered.pods()]
    for each in rendered.of("Deployment", "StatefulSet"):
        own = each["spec"]["template"]["metadata"]["labels"]
        selector = each["spec"]["selector"]["matchLabels"]
        assert [found for found in labels if matches(selector, found)] == [own]
    finders = [each["spec"]["selector"] for each in rendered.of("Service")]
    finders += [
        each["spec"]["selector"]["matchLabels"] for each in rendered.of("PodDisruptionBudget")
    ]
    policies = rendered.of("NetworkPolicy")
    finders += [each["spec"]["podSelector"]["matchLabels"] for each in policies]
    spread = rendered.nodes["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
    finders += [each["labelSelector"]["matchLabels"] for each in spread]
    for finder in finders:
        assert sum(matches(finder, found) for found in labels) == 1
    for monitor in rendered.of("ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        found = [
            each["metadata"]["name"]
            for each in rendered.of("Service")
            if matches(selector, each["metadata"]["labels"])
        ]
        assert found == [rendered.fullname]
        assert selector[monitor["spec"]["jobLabel"]] == "stockstream", "as the alert rules have it"


def test_nodes_may_reach_what_their_settings_name(rendered: Rendered) -> None:
    """At the port of each address, where the policy shuts the others; not where it names none."""
    egress = [
        rule["ports"]
        for policy in rendered.of("NetworkPolicy")
        if policy["metadata"]["name"] == rendered.fullname
        for rule in policy["spec"]["egress"]
    ]
    if rendered.name != "network-policy":
        assert not egress
        return
    _names, anywhere, _more = egress
    assert [each["port"] for each in anywhere] == [443, 5432, 4222, 4318, 587, 8080]


def test_without_ports_nodes_reach_nothing_anywhere(tmp_path: Path) -> None:
    """Who names peers for all of it is given no port beside them."""
    given = ("--set", "networkPolicy.egressPorts=null")
    made = rendering("--values", CASES["network-policy"], *given, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    objects = [each for each in yaml.safe_load_all(made.stdout) if each]
    policy = Rendered("none", objects).one("NetworkPolicy", "prices-stockstream")
    assert [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]] == [
        [53, 53],
        [8443],
    ]


def test_a_pod_has_time_to_let_its_clients_go(rendered: Rendered) -> None:
    """The pause before, the drain, and some more."""
    spec = rendered.nodes["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] > pause + WEB_SHUTDOWN_SECONDS + 5


def test_one_at_a_time_without_nats(rendered: Rendered) -> None:
    """Two nodes that know nothing of each other would both fetch and record."""
    if rendered.nodes["kind"] == "Deployment":
        clustered = "CLUSTER_NATS_URL" in rendered.settings or any(
            each["name"] == file_variable("CLUSTER_NATS_URL")
            for each in rendered.nodes["spec"]["template"]["spec"]["containers"][0]["env"]
        )
        rolling = rendered.nodes["spec"]["strategy"].get("rollingUpdate")
        assert rolling == ({"maxSurge": 1, "maxUnavailable": 0} if clustered else None)


def test_commands_of_pods_are_ours(rendered: Rendered) -> None:
    """`helm test` watches for one price, and the CronJob backs up, by options that there are."""
    for job in rendered.of("CronJob"):
        spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        program, *words = spec["containers"][0]["args"]
        assert program == "stockstream"
        _command, bound, _ignored = build("db").parse_args(words, exit_on_error=False)
        assert str(bound.arguments["to"]) in {
            each["mountPath"] for each in spec["containers"][0]["volumeMounts"]
        }
    for pod in rendered.of("Pod"):
        (container,) = pod["spec"]["containers"]
        program, *words = container["args"]
        assert program == "stockstream"
        _command, bound, _ignored = build("watch").parse_args(words, exit_on_error=False)
        given: dict[str, Any] = bound.arguments
        assert given["count"] == 1
        assert "seconds" not in given, "its end without a price would be a success"
        base = rendered.settings.get("BASE_PATH", "")
        port = rendered.one("Service", rendered.fullname)["spec"]["ports"][0]["port"]
        assert words[-1] == f"http://{rendered.fullname}:{port}{base}"
        assert rendered.fullname in rendered.settings["ALLOWED_HOSTS"].split(",")


def test_rules_and_dashboards_are_those_of_the_files(tmp_path: Path) -> None:
    """The chart has no copy of them."""
    rendered = render("observability", tmp_path)
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "stockstream.rules.yaml").read_text())
    assert rendered.of("PrometheusRule")[0]["spec"] == rules
    told = {
        name: text
        for each in rendered.of("ConfigMap")
        if "-dashboard-" in each["metadata"]["name"]
        for name, text in each["data"].items()
    }
    folder = ROOT / "deploy" / "grafana" / "dashboards"
    assert told == {path.name: path.read_text() for path in folder.glob("*.json")}


def test_the_notes_say_what_to_do_next(tmp_path: Path) -> None:
    """How to get at it, to wait for it, to test it."""
    for case, told in {
        "stateful": ("statefulset/stocks", "helm --namespace markets test prices"),
        "ingress": ("Dashboard:  https://stocks.example.com/stocks/\n",),
        "minimal": ("users add NAME", "has nothing to run"),
    }.items():
        arguments = ("--dry-run=client", "--namespace", "markets", "--values", CASES[case])
        ended = helm("install", RELEASE, CHART, *arguments, folder=tmp_path)
        assert ended.returncode == 0, ended.stderr
        notes = ended.stdout.partition("NOTES:")[2]
        assert "port-forward" in notes
        for text in told:
            assert text in notes
