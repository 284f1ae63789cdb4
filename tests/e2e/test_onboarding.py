"""The onboarding example as it is: on the cluster, started in three ways, read back at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hack import onboarding
from hack.deploy import Cluster

from support.bench import Bench, condition, record, verdict

FLOW = onboarding.WORKFLOW
CLI = Path(sys.executable).parent / "kubectl-workflow"


@pytest.fixture(scope="module")
def office(cluster: Cluster, shared: Bench) -> Bench:
    """The example with PostgreSQL, CRM, mail and ops receivers."""
    onboarding.apply(cluster, shared.namespace)
    return shared


def about(rows: list[dict[str, Any]], email: str) -> list[dict[str, Any]]:
    """The rows that hold the address."""
    return [row for row in rows if email in json.dumps(row)]


def users(office: Bench, email: str) -> list[dict[str, Any]]:
    """The rows of PostgreSQL for an address."""
    return about(onboarding.users(office.cluster, office.namespace), email)


def records(office: Bench, service: str, email: str) -> list[dict[str, Any]]:
    """What a receiver got about an address."""
    return about(onboarding.records(office.cluster, office.namespace, service), email)


def check_success(office: Bench, run: dict[str, Any], email: str) -> None:
    """The user's row, the contact and the mail are there, and belong together."""
    assert verdict(run) == ("True", "Succeeded"), run["status"]
    assert run["status"]["progress"] == "3/3"
    user = record(run, "createUser")["output"]["userId"]
    (row,) = users(office, email)
    assert (row["id"], row["name"], row["plan"]) == (user, "Alex", "free-tier")
    contact = records(office, "crm", email)
    assert len(contact) == 1
    assert user in json.dumps(contact[0])
    assert record(run, "syncToCrm")["output"]["contactId"] in json.dumps(contact[0])
    assert len(records(office, "mail", email)) == 1
    assert records(office, "ops", email) == []


def check_refusal(office: Bench, run: dict[str, Any], email: str) -> None:
    """Failed with the CRM's exit code, exactly one notice with the address in it, and the user that
    had been made is not in PostgreSQL any more.
    """
    assert verdict(run) == ("False", "ExitCode"), run["status"]
    assert record(run, "syncToCrm")["exitCode"] == 22
    assert record(run, "syncToCrm")["state"] == "Failed"
    assert record(run, "sendWelcome")["state"] == "Pending"
    assert record(run, "createUser")["state"] == "Succeeded"
    assert record(run, "createUser")["compensation"]["state"] == "Succeeded"
    assert condition(run, "Compensated")["status"] == "True"
    assert users(office, email) == []
    assert run["status"]["onFailure"]["state"] == "Succeeded"
    assert records(office, "crm", email) == []
    assert records(office, "mail", email) == []
    notices = records(office, "ops", email)
    assert len(notices) == 1
    assert f"Onboarding failed for {email}" in json.dumps(notices[0])


def create(office: Bench, file: str, email: str) -> str:
    """`kubectl create` of the example's own run, with another address."""
    run = yaml.safe_load((onboarding.FOLDER / file).read_text())
    run["spec"]["trigger"]["body"]["email"] = email
    run["spec"]["trigger"]["body"]["name"] = "Alex"
    text = office.kubectl("create", "-f", "-", "-o", "name", stdin=yaml.safe_dump(run))
    return text.strip().partition("/")[2]


def test_kubectl_create_succeeds(office: Bench) -> None:
    run = office.finish(create(office, "run.yaml", "one@example.com"))
    check_success(office, run, "one@example.com")
    assert len(office.jobs(run)) == sum(step["tries"] for step in run["status"]["steps"])


def test_kubectl_create_refused(office: Bench) -> None:
    run = office.finish(create(office, "run-refused.yaml", "refused-one@example.com"))
    check_refusal(office, run, "refused-one@example.com")
    assert [u["tries"] for u in run["status"]["steps"]][1:] == [1, 0], (
        "a refusal is not tried again"
    )


def cli(office: Bench, email: str) -> subprocess.CompletedProcess[str]:
    """`kubectl workflow run --wait`."""
    command = [CLI, "run", FLOW, "-n", office.namespace, "-p", f"email={email}", "-p", "name=Alex"]
    command += ["--wait", "--timeout", "60", "-o", "json"]
    return subprocess.run(
        command, env=office.cluster.env, capture_output=True, text=True, timeout=90, check=False
    )


def test_cli_succeeds(office: Bench) -> None:
    done = cli(office, "two@example.com")
    assert done.returncode == 0, done.stderr
    check_success(office, json.loads(done.stdout), "two@example.com")


def test_cli_refused(office: Bench) -> None:
    done = cli(office, "refused-two@example.com")
    assert done.returncode == 1, done.stderr
    check_refusal(office, json.loads(done.stdout), "refused-two@example.com")


def test_sdk_succeeds_and_raises(office: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow_do import do
    from workflow_do.sdk.errors import RunFailed

    kubeconfig = office.cluster.env.get("KUBECONFIG", os.environ.get("KUBECONFIG", ""))
    do.connect(kubeconfig=kubeconfig, namespace=office.namespace)
    spec = yaml.safe_load((onboarding.FOLDER / "workflow.yaml").read_text())
    flow = do.workflow.define({"name": FLOW, **spec["spec"]})
    flow.apply()
    done = flow.execute(body={"email": "three@example.com", "name": "Alex"}, timeout=60)
    run = office.run(done.name)
    check_success(office, run, "three@example.com")
    assert done.steps["createUser"].output == record(run, "createUser")["output"]

    with pytest.raises(RunFailed) as failed:
        flow.execute(body={"email": "refused-three@example.com", "name": "Alex"}, timeout=60)
    assert failed.value.reason == "ExitCode"
    check_refusal(office, office.run(failed.value.run.name), "refused-three@example.com")


def test_logs_tell_what_the_program_said(office: Bench) -> None:
    run = office.finish(create(office, "run-refused.yaml", "refused-four@example.com"))
    name = run["metadata"]["name"]
    done = subprocess.run(
        [CLI, "logs", name, "syncToCrm", "-n", office.namespace],
        env=office.cluster.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "refused-four@example.com" in done.stdout + done.stderr or "refuse" in done.stdout
