"""The chart, rendered by Helm for each values file beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "stockstream"
CASES = {path.name.removesuffix("-values.yaml"): path for path in CHART.glob("ci/*-values.yaml")}
CUSTOM = ("monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1")
RELEASE, NAMESPACE = "prices", "markets"

Object = dict[str, Any]


@cache
def found() -> str | None:
    """Helm's path: the one that was fetched, or one of this machine that is of the same age."""
    fetched = ROOT / ".tools" / "helm"
    if fetched.exists():
        return str(fetched)
    program = shutil.which("helm")
    if program is None:
        return None
    told = subprocess.run([program, "version", "--short"], capture_output=True, check=False)
    return program if told.stdout.startswith(b"v4.") else None


def helm_program() -> str:
    """Helm's path. Skips the test where there is none."""
    program = found()
    if program is None:
        pytest.skip("no Helm 4 here: `scripts/helm` fetches it")
    return program


def helm(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it, with nothing of this machine's own settings and plugins."""
    home = {"HELM_CACHE_HOME": "cache", "HELM_CONFIG_HOME": "config", "HELM_DATA_HOME": "data"}
    environment = {name: str(folder / sub) for name, sub in home.items()}
    return subprocess.run(
        [helm_program(), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def rendering(*more: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """The release of the tests."""
    known = [word for each in CUSTOM for word in ("--api-versions", each)]
    place = ("--namespace", NAMESPACE, "--kube-version", "1.37")
    return helm("template", RELEASE, CHART, *place, *known, *more, folder=folder)


@dataclass
class Rendered:
    """The objects of one values file."""

    name: str
    objects: list[Object] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Object]:
        """Those of these kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        """The only one of that kind and name."""
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    @property
    def fullname(self) -> str:
        return str(self.nodes["metadata"]["name"])

    @property
    def nodes(self) -> Object:
        """What the nodes run as."""
        (found,) = (
            each
            for each in self.of("Deployment", "StatefulSet")
            if each["metadata"]["labels"]["app.kubernetes.io/component"] == "server"
        )
        return found

    @property
    def settings(self) -> dict[str, str]:
        """What the nodes' ConfigMap holds."""
        return dict(self.one("ConfigMap", self.fullname)["data"])

    def pods(self) -> list[Object]:
        """Every pod, with its labels and its spec, whatever makes it."""
        found = [each["spec"]["template"] for each in self.of("Deployment", "StatefulSet")]
        found += [each["spec"]["jobTemplate"]["spec"]["template"] for each in self.of("CronJob")]
        return found + self.of("Pod")


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether an object with these labels is found by a selector of ours, which has labels only."""
    assert selector
    return selector.items() <= labels.items()


def golden(rendered: Rendered) -> str:
    """The objects as they are kept, without what other files hold and without versions."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    kept = []
    for each in rendered.objects:
        shown = dict(each)
        if each["kind"] == "PrometheusRule":
            shown["spec"] = "(deploy/prometheus/stockstream.rules.yaml)"
        elif "-dashboard-" in each["metadata"]["name"]:
            shown["data"] = "(deploy/grafana/dashboards)"
        kept.append(shown)
    kept.sort(key=lambda each: (each["kind"], each["metadata"]["name"]))
    text = yaml.safe_dump_all(kept, width=100)
    return text.replace(about["version"], "VERSION").replace(about["appVersion"], "VERSION")
