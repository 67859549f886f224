"""The Kubernetes base: each object valid by the schemas of Kubernetes, and its parts fit each other and our commands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from runtime.cli import fenghuo
from runtime.configuration.loading import load
from tests.deploy.deployed import DEPLOY, programs

BASE = DEPLOY / "kubernetes"
PLACE = ("areas.csv", "policy.yaml", "recipients.csv", "stations.csv")
CONFIG_MAP_BYTES = 1024 * 1024
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))
OBJECTS: list[dict[str, Any]] = [
    one
    for name in KUSTOMIZATION["resources"]
    for one in yaml.safe_load_all((BASE / name).read_text(encoding="utf-8"))
]
WORKLOADS = [one for one in OBJECTS if one["kind"] != "Service"]


def named(one: dict[str, Any]) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = workload["spec"]["template"]["spec"]
    return pod


def container_of(workload: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(workload)["containers"]
    found: dict[str, Any] = container
    return found


def test_the_base_names_all_its_files() -> None:
    files = {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}
    (settings,) = KUSTOMIZATION["configMapGenerator"]
    assert files == {*KUSTOMIZATION["resources"], *settings["files"]}
    assert [(one["kind"], container_of(one)["name"]) for one in WORKLOADS] == [
        ("Job", "topics"),
        ("Job", "configure"),
        ("StatefulSet", "gateway"),
        ("StatefulSet", "worker"),
        ("Deployment", "dispatch"),
        ("Deployment", "console"),
    ]
    assert {container_of(one)["name"] for one in WORKLOADS} == set(programs())


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_each_object_is_valid(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_the_validator_finds_a_slip_of_the_pen() -> None:
    wrong = {**OBJECTS[1], "spec": {**OBJECTS[1]["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=named)
def test_each_program_is_called_as_its_command_takes_it(workload: dict[str, Any]) -> None:
    name, *words = container_of(workload)["args"]
    command = fenghuo.get_command(click.Context(fenghuo), name)
    assert command is not None
    given = command.make_context(name, list(words)).params
    assert str(given["folder"]) == "/etc/fenghuo"
    if given.get("health") is not None:
        assert container_of(workload)["ports"] == [{"name": "http", "containerPort": given["health"][1]}]
    # As in the compose file, so that what is tested there holds here. A pod's name is its gateway's.
    here = [word.replace("$(GATEWAY)", "gateway-1") for word in container_of(workload)["args"]]
    assert here == programs()[name]["command"]


@pytest.mark.parametrize("workload", WORKLOADS, ids=named)
def test_each_program_is_bounded_and_has_what_it_mounts(workload: dict[str, Any]) -> None:
    container, pod = container_of(workload), pod_of(workload)
    assert set(container["resources"]) == {"requests", "limits"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    if workload["kind"] != "Job":
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
        ports = {port["name"] for port in container["ports"]}
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            (how,) = (container[probe][key] for key in ("httpGet", "tcpSocket") if key in container[probe])
            assert how["port"] in ports


def test_services_find_their_pods() -> None:
    services = {
        one["metadata"]["name"]: one["spec"]["selector"] for one in OBJECTS if one["kind"] == "Service"
    }
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in WORKLOADS]
    for selector in services.values():
        assert [one for one in labels if selector.items() <= one.items()]
    sets = [one for one in OBJECTS if one["kind"] == "StatefulSet"]
    assert {one["spec"]["serviceName"] for one in sets} <= set(services)


def test_the_place_fits_into_config_maps_and_loads_with_the_settings(tmp_path: Path) -> None:
    assert sum((DEPLOY / "bazhong" / name).stat().st_size for name in PLACE) < CONFIG_MAP_BYTES
    assert (DEPLOY / "bazhong" / "outlines.geojson").stat().st_size < CONFIG_MAP_BYTES
    sources = pod_of(WORKLOADS[0])["volumes"][1]["projected"]["sources"]
    assert [one["configMap"]["name"] for one in sources] == [
        "fenghuo-place",
        "fenghuo-outlines",
        "fenghuo-settings",
    ]
    for name in PLACE:
        shutil.copy(DEPLOY / "bazhong" / name, tmp_path)
    shutil.copy(BASE / "fenghuo.yaml", tmp_path)
    settings = load(tmp_path).settings
    (mount,) = (one for one in container_of(WORKLOADS[0])["volumeMounts"] if one["name"] == "secrets")
    assert settings.brokers.mqtt is not None
    for file in (
        settings.brokers.mqtt.password_file,
        settings.database.password_file,
        settings.ports.token_file,
        settings.channels.webhook.secret_file,
    ):
        assert file is not None
        assert str(Path(file).parent) == mount["mountPath"]
