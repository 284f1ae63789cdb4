"""Names, versions, places, programs and their arguments."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from onenode import binaries, config, kubeconfig, pki
from onenode.components import CONTROL_PLANE, Component, list_components
from onenode.errors import ClusterError
from onenode.settings import (
    GO_SOURCES,
    ClusterFolder,
    check_name,
    find_cache,
    read_module_version,
)

FOLDER = ClusterFolder(Path("/cache/clusters/demo"))


@pytest.mark.parametrize("name", ["a", "kind", "wdo-1", "a.b", "9x", "x" * 40])
def test_names_that_can_be(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "../etc", "a/b", "x" * 41, "a\n"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot name a cluster"):
        check_name(name)


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.cache/workflow-do"),
        ({"HOME": "/home/ann", "WORKFLOW_DO_CACHE": "/big/disk"}, "/big/disk"),
        ({"HOME": "/home/ann", "WORKFLOW_DO_CACHE": ""}, "/home/ann/.cache/workflow-do"),
    ],
)
def test_cache(environ: dict[str, str], place: str) -> None:
    assert find_cache(environ) == Path(place)


@pytest.mark.parametrize(
    "text",
    [
        "module a\n\nrequire b.c/d v1.2.3\n",
        "require (\n\tb.c/d v1.2.3\n)\n",
        "require (\n\tb.c/d v1.2.3 // indirect\n\tb.c/d/e v9.9.9\n)\n",
    ],
)
def test_module_version(text: str) -> None:
    assert read_module_version(text, "b.c/d") == "v1.2.3"


def test_a_module_that_is_only_replaced_has_no_version() -> None:
    with pytest.raises(ClusterError, match="does not require"):
        read_module_version("replace b.c/d => ../d\n", "b.c/d")


def test_staging_modules_have_the_version_of_kubernetes() -> None:
    """Kubernetes is built from one tree; its parts must not drift apart."""
    text = (GO_SOURCES / "kubernetes" / "go.mod").read_text()
    replaced = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert len(replaced) == 31
    wanted = binaries.KUBERNETES.version.replace("v1.", "v0.")
    assert {(old == new, version) for old, new, version in replaced} == {(True, wanted)}


@pytest.mark.parametrize("unit", binaries.ALL_UNITS, ids=lambda unit: unit.folder)
def test_every_unit_has_its_sources(unit: binaries.Unit) -> None:
    assert (unit.source / "go.mod").is_file()
    assert re.fullmatch(rf"{unit.folder}-(v\d+\.\d+\.\d+|[0-9a-f]{{12}})", unit.key)


def test_kubernetes_is_told_its_version() -> None:
    version = binaries.KUBERNETES.version
    assert f"version.gitVersion={version} " in binaries.KUBERNETES.linker_flags
    assert "version" not in binaries.HELM.linker_flags


@pytest.mark.parametrize(
    ("program", "folder"),
    [("etcd", "kubernetes"), ("kubectl", "kubernetes"), ("helm", "helm"), ("relay", "node")],
)
def test_find_unit(program: str, folder: str) -> None:
    assert binaries.find_unit(program).folder == folder


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/arm64", (1, 27)),
        ("go version devel go1.28-abcdef Mon linux/amd64", (1, 28)),
    ],
)
def test_go_version(text: str, version: tuple[int, int]) -> None:
    assert binaries.parse_go_version(text) == version


def test_an_unreadable_go_version() -> None:
    with pytest.raises(ClusterError, match="reinstall Go"):
        binaries.parse_go_version("bash: no")


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("x: dial tcp: lookup y: no such host", "cannot fetch the Go modules of helm-v3"),
        ("write /x: no space left on device", "no room left on the disk"),
        ("main.go:3:1: syntax error", "building helm-v3 failed: main.go:3:1: syntax error"),
        ("", "it printed nothing"),
    ],
)
def test_why_a_build_failed(line: str, part: str) -> None:
    told = binaries.explain_failure("helm-v3", [f"{line}\n"], Path("/log"))
    assert part in told
    assert "/log" in told


def locate(program: str) -> Path:
    return Path("/bin") / program


def test_a_control_plane_has_its_components_and_no_others() -> None:
    names = tuple(part.name for part in list_components(FOLDER, locate, whole=False))
    assert names == CONTROL_PLANE


def test_nothing_waits_for_what_never_starts() -> None:
    parts = list_components(FOLDER, locate, whole=True)
    assert {port for part in parts for port in part.ports} == {2379, 6443}
    assert {path for part in parts for path in part.paths} == {
        str(FOLDER.access),
        str(FOLDER.containerd_socket),
    }
    assert next(part for part in parts if part.name == "etcd").ports == ()


@pytest.mark.parametrize("whole", [True, False])
def test_components_pass_through_json(whole: bool) -> None:
    for part in list_components(FOLDER, locate, whole):
        assert Component.from_json(json.loads(json.dumps(part.to_json()))) == part


def test_every_client_in_an_argument_has_a_certificate() -> None:
    """A file that no one writes would only be missed at run time."""
    written = {f"{one.file}.{end}" for one in pki.list_certificates("n") for end in ("crt", "key")}
    written |= {"ca.crt", "ca.key", "front-proxy-ca.crt"}
    written |= {f"{pki.SERVICE_ACCOUNT_KEY}.{end}" for end in ("key", "pub")}
    text = " ".join(" ".join(part.argv) for part in list_components(FOLDER, locate, whole=True))
    used = set(re.findall(rf"{FOLDER.pki}/(\S+)", text + config.render_kubelet(FOLDER)))
    assert {name.strip('",') for name in used} <= written


def test_containerd_configuration_is_toml() -> None:
    parsed = tomllib.loads(config.render_containerd(FOLDER, "native"))
    assert parsed["grpc"]["address"] == str(FOLDER.containerd_socket)
    cri = parsed["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["snapshotter"] == "native"


def test_the_audit_log_keeps_writes_and_drops_heartbeats() -> None:
    rules = json.loads(config.render_audit_policy())["rules"]
    assert rules[-1] == {"level": "Metadata"}
    assert all(rule["level"] == "None" for rule in rules[:-1])


def test_kubeconfig_names_everything_alike() -> None:
    text = kubeconfig.render("kind-demo", "https://127.0.0.1:1", b"ca", b"crt", b"key")
    parsed = yaml.safe_load(text)
    assert parsed["current-context"] == "kind-demo"
    assert {
        entry["name"] for kind in ("clusters", "users", "contexts") for entry in parsed[kind]
    } == {"kind-demo"}
    assert parsed["users"][0]["user"] == {
        "client-certificate-data": "Y3J0",
        "client-key-data": "a2V5",
    }


@pytest.mark.parametrize(
    ("named", "environ", "place"),
    [
        ("/a", {"KUBECONFIG": "/b", "HOME": "/h"}, "/a"),
        (None, {"KUBECONFIG": "/b:/c", "HOME": "/h"}, "/b"),
        (None, {"KUBECONFIG": ":/c", "HOME": "/h"}, "/c"),
        (None, {"KUBECONFIG": "", "HOME": "/h"}, "/h/.kube/config"),
        (None, {"HOME": "/h"}, "/h/.kube/config"),
    ],
)
def test_which_kubeconfig(named: str | None, environ: dict[str, str], place: str) -> None:
    assert kubeconfig.find_path(named, environ) == Path(place)


def test_equal_names_in_two_caches_have_cgroups_of_their_own() -> None:
    other = ClusterFolder(Path("/elsewhere/clusters/demo"))
    assert other.cgroup != FOLDER.cgroup
    assert FOLDER.cgroup.startswith("workflow-do-demo-")
