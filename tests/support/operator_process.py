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


def leader(cluster: Cluster) -> str:
    """The name of the Pod whose operator leads; "" while nobody does."""
    row = cluster.kubectl("get", "lease", "workflow-do", *_WHERE, "-o", "json")
    holder: str = json.loads(row)["spec"].get("holderIdentity") or ""
    return holder.rpartition("_")[0]


def kill_operator(cluster: Cluster) -> None:
    """kill -9 of the leader, and its Pod is gone; back when another leads and all are ready."""
    old = leader(cluster)
    signal_leader(cluster, signal.SIGKILL)
    cluster.kubectl("delete", "pod", old, *_WHERE, "--force", "--grace-period=0")
    until_another_leads(cluster, old)
    cluster.kubectl("rollout", "status", "deployment/workflow-do", *_WHERE, "--timeout=60s")


def signal_leader(cluster: Cluster, number: int) -> list[int]:
    """Send a signal to the leader's processes; their pids (none on a foreign cluster)."""
    pod = json.loads(cluster.kubectl("get", "pod", leader(cluster), *_WHERE, "-o", "json"))
    pids = processes_of_pod(pod["metadata"]["uid"])
    for pid in pids:
        os.kill(pid, number)
    return pids


def until_another_leads(cluster: Cluster, old: str, seconds: float = 30) -> None:
    """Return once a Pod other than `old` leads."""
    end = time.monotonic() + seconds
    while leader(cluster) in ("", old):
        if time.monotonic() > end:
            raise AssertionError(f"{old} still leads, or nobody does, after {seconds:.0f} s")
        time.sleep(0.2)


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
    """Those that may be about the making of a Job: the log of a long session is large."""
    with path.open() as lines:
        for line in lines:
            if '"verb":"create"' in line and '"jobs"' in line:
                yield json.loads(line)
