"""`make demo`: from nothing to two runs of the onboarding workflow on a real cluster, shown live.

python -m hack.demo up    a cluster with the operator and the example, and nothing run
python -m hack.demo run   the same, then two runs: one succeeds, one is refused by the CRM
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hack import deploy, onboarding
from hack.deploy import Cluster, Failed
from rich.console import Console

NAME = "workflow-do"
NAMESPACE = "onboarding"
KUBECONFIG = deploy.ROOT / "build" / "kubeconfig"
CLI = Path(sys.executable).parent / "kubectl-workflow"
WORKFLOW = onboarding.WORKFLOW
REFUSED = "refused@example.com"

console = Console(highlight=False)


@contextmanager
def step(title: str) -> Iterator[None]:
    """One line of progress: a spinner on a terminal, then what it took."""
    began = time.monotonic()
    with console.status(f"{title} …") if console.is_terminal else _plain(title):
        yield
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - began:.0f} s[/]")


@contextmanager
def _plain(title: str) -> Iterator[None]:
    console.print(f"[dim]…[/] {title}")
    yield


def up() -> Cluster:
    """A cluster with the operator and the onboarding example."""
    cluster = _cluster()
    if cluster.name is not None:
        _long("images", deploy.BUILD_IMAGES, "operator", "onboarding")
        with step("images loaded"):
            cluster.load("operator:dev", "onboarding:dev")
    with step("operator installed by its chart"):
        deploy.install_operator(cluster)
    with step(f"onboarding example ready in namespace {NAMESPACE}"):
        onboarding.apply(cluster, NAMESPACE)
    return cluster


def _cluster() -> Cluster:
    if os.environ.get("CLUSTER") == "current":
        return deploy.current()
    KUBECONFIG.parent.mkdir(exist_ok=True)
    if NAME in deploy.run(deploy.KIND, "get", "clusters").split():
        deploy.run(deploy.KIND, "export", "kubeconfig", "--name", NAME, "--kubeconfig", KUBECONFIG)
    else:
        create = ("create", "cluster", "--name", NAME, "--kubeconfig", str(KUBECONFIG))
        _long("cluster", deploy.KIND, *create)
    return Cluster(KUBECONFIG, NAME)


def _long(title: str, *command: str | Path) -> None:
    """A command that shows its own progress; it may take minutes on a new machine."""
    console.print(f"[bold]{title}[/]")
    code = subprocess.run([str(word) for word in command], check=False).returncode
    if code != 0:
        raise Failed(f"{title}: {Path(command[0]).name} ended with {code}")


def show(cluster: Cluster) -> None:
    """Two runs, live; then what they left behind."""
    console.rule("a new user")
    _watch(cluster, "user@example.com", "Alex", expected=0)
    console.rule("a user whom the CRM refuses")
    _watch(cluster, REFUSED, "Robin", expected=1)
    console.rule("what is there now")
    for title, rows in _left_behind(cluster):
        console.print(f"[bold]{title}[/]")
        for row in rows or ["(nothing)"]:
            console.print(f"  {row}")


def _watch(cluster: Cluster, email: str, name: str, expected: int) -> None:
    command = [CLI, "run", WORKFLOW, "-n", NAMESPACE, "-p", f"email={email}", "-p", f"name={name}"]
    done = subprocess.run([*command, "--watch", "--timeout", "180"], env=cluster.env, check=False)
    if done.returncode != expected:
        raise Failed(f"the run for {email} ended with {done.returncode}, not {expected}")


def _left_behind(cluster: Cluster) -> Iterator[tuple[str, list[str]]]:
    users = onboarding.users(cluster, NAMESPACE)
    rows = [f"{u['email']}, plan {u['plan']}" for u in users]
    if REFUSED not in {u["email"] for u in users}:
        rows.append(f"[dim]({REFUSED} was made, and removed again)[/]")
    yield "users in PostgreSQL", rows
    for service, title, show in (
        ("crm", "contacts in the CRM", "{email}, {contactId}"),
        ("mail", "mail that was sent", "{subject} → {to}"),
        ("ops", "notices to the ops team", "{message}"),
    ):
        rows = onboarding.records(cluster, NAMESPACE, service)
        yield title, [show.format(**row) for row in rows]


def suggest(cluster: Cluster) -> None:
    """What to try next."""
    console.rule("try next")
    if cluster.name is not None:
        tools = Path(cluster.tool("kubectl")).parent
        console.print(f"  export KUBECONFIG={KUBECONFIG}", soft_wrap=True)
        console.print(f"  export PATH={CLI.parent}:{tools}:$PATH", soft_wrap=True)
    run = f"kubectl workflow run {WORKFLOW} -n {NAMESPACE}"
    for line in (
        f"kubectl workflow get -n {NAMESPACE}",
        f"{run} -p email=you@example.com -p name=You --watch",
        "kubectl explain workflow.spec --api-version=workflow.do/v1alpha1",
        "README.md: your own first workflow",
    ):
        console.print(f"  {line}", soft_wrap=True)
    if cluster.name is not None:
        console.print("  make clean           [dim]# ends the cluster[/]")


COMMANDS: dict[str, Callable[[Cluster], None]] = {"up": lambda _: None, "run": show}


def main(words: list[str]) -> int:
    """Exit codes: 0 shown, 1 something failed, 2 wrong usage, 130 interrupted."""
    if len(words) != 1 or words[0] not in COMMANDS:
        console.print(__doc__)
        return 2
    try:
        cluster = up()
        COMMANDS[words[0]](cluster)
        suggest(cluster)
    except Failed as failure:
        console.print(f"[red]✗[/] {failure}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; `make clean` ends the cluster")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
