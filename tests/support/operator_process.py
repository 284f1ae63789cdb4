"""The operator as a process on the cluster's node: killed for real, and its writes counted."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from hack.deploy import KIND, SYSTEM_NAMESPACE, Cluster, run

_WHERE = ("-n", SYSTEM_NAMESPACE)
_SELECT = "app.kubernetes.io/name=workflow-do"


def kill_operator(cluster: Cluster) -> None:
    """kill -9 of the operator's process, then its Pod is replaced; back when the next is there."""
    pods = cluster.kubectl("get", "pods", *_WHERE, "-l", _SELECT, "-o", "json")
    uids = [p["metadata"]["uid"] for p in json.loads(pods)["items"]]
    for pid in [pid for uid in uids for pid in processes_of_pod(uid)]:
        os.kill(pid, signal.SIGKILL)
    command = ("delete", "pods", *_WHERE, "-l", _SELECT, "--force", "--grace-period=0")
    cluster.kubectl(*command)
    _until_replaced(cluster, set(uids))


def processes_of_pod(uid: str) -> list[int]:
    """The operator's processes in a Pod, as pids of this machine; none on a foreign cluster."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _is_operator(entry, uid)
    ]


def _is_operator(entry: Path, uid: str) -> bool:
    try:
        groups = (entry / "cgroup").read_text()
        words = (entry / "cmdline").read_bytes()
    except OSError:
        return False
    return (uid in groups or uid.replace("-", "_") in groups) and b"workflow-do-operator" in words


def _until_replaced(cluster: Cluster, old: set[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        text = cluster.kubectl("get", "pods", *_WHERE, "-l", _SELECT, "-o", "json")
        pods = json.loads(text)["items"]
        if any(p["metadata"]["uid"] not in old and _ready(p) for p in pods):
            return
        time.sleep(0.2)
    raise AssertionError("the operator's Pod was not replaced within 60 s")


def _ready(pod: dict[str, object]) -> bool:
    status = pod.get("status")
    rows = status.get("conditions", []) if isinstance(status, dict) else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in rows)


def creates_of_jobs(cluster: Cluster, namespace: str) -> list[str]:
    """The names of the Jobs that the API server accepted in a namespace, by its audit log."""
    assert cluster.name is not None, "the audit log is read from our own cluster"
    path = Path(run(KIND, "path", "--name", cluster.name, "audit-log").strip())
    return [
        event["objectRef"].get("name") or event["responseObject"]["metadata"]["name"]
        for event in _events(path)
        if event.get("verb") == "create"
        and event.get("objectRef", {}).get("resource") == "jobs"
        and event["objectRef"].get("namespace") == namespace
        and event.get("stage") == "ResponseComplete"
        and event.get("responseStatus", {}).get("code") == 201
    ]


def _events(path: Path) -> Iterator[dict[str, dict[str, str]]]:
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)
