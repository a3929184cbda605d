"""What is deployed is what the tools accept, and what the code has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from knownat.serving.metrics import Metrics
from tests.projects import ROOT

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
CODE = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def all_manifests() -> list[dict[str, Any]]:
    return [document for path in MANIFESTS for document in documents(path)]


def container(kind: str) -> dict[str, Any]:
    [found] = [document for document in all_manifests() if document["kind"] == kind]
    spec = found["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else found["spec"]
    [only] = spec["template"]["spec"]["containers"]
    return {"pod": spec["template"]["spec"], **only}


def linted(path: Path) -> int:
    return subprocess.run([tool("hadolint"), str(path)], capture_output=True, check=False).returncode


def test_the_dockerfile_is_linted(tmp_path: Path) -> None:
    """And the linter sees what is wrong."""
    dockerfile = DEPLOY / "Dockerfile"
    assert linted(dockerfile) == 0
    (tmp_path / "Dockerfile").write_text(dockerfile.read_text().replace("WORKDIR /app", "WORKDIR app"))
    assert linted(tmp_path / "Dockerfile") == 1


def test_the_image_runs_as_nobody_and_holds_what_it_copies() -> None:
    """No root, no file that git does not track, and every file that the ignore list lets in is there."""
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in let_in)
    tracked = subprocess.run(["git", "ls-files", *let_in], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {name.split("/")[0] for name in tracked} == {name.split("/")[0] for name in let_in}


def composed(path: Path) -> int:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_the_compose_file_is_one(tmp_path: Path) -> None:
    path = DEPLOY / "compose.yaml"
    assert composed(path) == 0
    (tmp_path / "compose.yaml").write_text(path.read_text().replace("depends_on:", "depend_on:"))
    assert composed(tmp_path / "compose.yaml") != 0


@pytest.mark.parametrize("document", all_manifests(), ids=lambda d: d["kind"])
def test_a_manifest_is_valid(document: dict[str, Any]) -> None:
    """Strictly, against Kubernetes' own schema; a key that is misspelt is refused."""
    import kubernetes_validate as kubernetes

    kubernetes.validate(document, kubernetes.latest_version(), strict=True)
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(document | {"spek": {}}, kubernetes.latest_version(), strict=True)


def test_what_the_manifests_ask_for_is_there() -> None:
    """The kinds that a service with load needs, guarded, with limits; probes' paths and ports are the endpoint's."""
    from knownat.serving.guard import OPEN

    kinds = {document["kind"] for document in all_manifests()}
    assert kinds >= {
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "CronJob",
        "ConfigMap",
    }
    for kind in ("Deployment", "CronJob"):
        found = container(kind)
        assert found["pod"]["securityContext"]["runAsNonRoot"]
        assert found["pod"]["automountServiceAccountToken"] is False
        assert found["securityContext"]["readOnlyRootFilesystem"]
        assert found["resources"].keys() == {"requests", "limits"}
    endpoint = container("Deployment")
    probes = [endpoint[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["path"] for probe in probes} <= OPEN
    assert {port["containerPort"] for port in endpoint["ports"]} == {8000}
    assert '--port "${PORT:-8000}"' in (DEPLOY / "start").read_text()
    [scaler] = [document for document in all_manifests() if document["kind"] == "HorizontalPodAutoscaler"]
    assert scaler["spec"]["metrics"][0]["resource"]["name"] == "cpu"


def test_feasts_configuration_is_the_same_in_both_places() -> None:
    [held] = [document for document in all_manifests() if document["kind"] == "ConfigMap"]
    beside = yaml.safe_load((DEPLOY / "feature_store.redis.yaml").read_text())
    assert yaml.safe_load(held["data"]["feature_store.yaml"]) == beside
    own = yaml.safe_load((ROOT / "feature_repo" / "feature_store.yaml").read_text())
    assert {key for key in own if own[key] != beside[key]} == {"online_store"}


def test_every_metric_that_a_rule_reads_is_told() -> None:
    """With the labels that it selects by."""
    metrics = Metrics()
    metrics.answered("/predict", 200, 0.1)
    metrics.predicted(0.5, ["missing"])
    metrics.reloads["refused"] += 1
    metrics.gauges = dict.fromkeys(re.findall(r'^ +"(knownat_\w+)": \(', CODE, re.MULTILINE), ("", 0.0))
    told = metrics.text().decode()
    rules = [rule for group in documents(DEPLOY / "prometheus" / "rules.yaml")[0]["groups"] for rule in group["rules"]]
    assert len(rules) >= 5
    for rule in rules:
        for name, labels in re.findall(r"(knownat_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            [*lines] = re.findall(rf"^{name}(?:\{{.*\}})? ", told, re.MULTILINE)
            assert lines, name
            assert all(label in lines[0] for label in re.findall(r"(\w+)[=~]+\"", labels)), (name, labels)


def test_every_variable_is_one_that_something_reads() -> None:
    """Of what the deployment sets for the project's own code."""
    set_here = set(re.findall(r"\b(KNOWNAT_[A-Z_]+)", "".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file())))
    read = set(re.findall(r"\b(KNOWNAT_[A-Z_]+)", CODE)) | {"KNOWNAT_REDIS", "KNOWNAT_REDIS_PASSWORD"}
    assert set_here <= read


def test_the_start_script_is_one() -> None:
    assert subprocess.run(["sh", "-n", str(DEPLOY / "start")], check=False).returncode == 0
    wrong = subprocess.run([str(DEPLOY / "start"), "dance"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, shutil.which("sh") is not None) == (2, True)
    assert "write serve or materialize" in wrong.stderr
