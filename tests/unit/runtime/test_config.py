"""Settings from the environment: what is good, and one clear sentence for what is not."""

from __future__ import annotations

import pytest

from workflow_do.runtime.config import ConfigError, Settings, read_settings


def test_nothing_set_is_fine() -> None:
    assert read_settings({}) == Settings()


def test_everything_set() -> None:
    assert read_settings(
        {
            "WORKFLOW_DO_NAMESPACES": " team-a, team-b,,team-a ",
            "WORKFLOW_DO_LOG_LEVEL": "DEBUG",
            "WORKFLOW_DO_LOG_FORMAT": "console",
            "WORKFLOW_DO_PORT": "9000",
            "WORKFLOW_DO_RESYNC_SECONDS": "30",
            "WORKFLOW_DO_WORKERS": "8",
            "WORKFLOW_DO_MAX_LIVE_JOBS": "500",
            "WORKFLOW_DO_LEASE_NAME": "other",
            "WORKFLOW_DO_WEBHOOK_CERTIFICATES": "/etc/tls",
            "WORKFLOW_DO_WEBHOOK_PORT": "9000",
            "POD_NAME": "wdo-7d9f-x2k",
            "POD_NAMESPACE": "ops",
        }
    ) == Settings(
        namespaces=("team-a", "team-b"),
        log_level="debug",
        log_format="console",
        port=9000,
        resync_seconds=30,
        workers=8,
        max_live_jobs=500,
        pod="wdo-7d9f-x2k",
        lease_namespace="ops",
        lease_name="other",
        webhook_certificates="/etc/tls",
        webhook_port=9000,
    )


def test_outside_of_a_pod_the_lease_is_in_the_first_namespace() -> None:
    assert read_settings({"WORKFLOW_DO_NAMESPACES": "b,a"}).lease_namespace == "b"


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("NAMESPACES", "Team_A", "the name of a namespace"),
        ("NAMESPACES", "a" * 64, "the name of a namespace"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("LOG_FORMAT", "xml", "one of json, console"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "http", "from 1 to 65535"),
        ("PORT", "-1", "from 1 to 65535"),
        ("RESYNC_SECONDS", "0.5", "from 1 to 3600"),
        ("MAX_LIVE_JOBS", "-1", "from 0 to 1000000"),
        ("LEASE_NAME", "Mine", "small letters"),
    ],
)
def test_a_bad_value_is_named_with_its_cure(name: str, value: str, cure: str) -> None:
    with pytest.raises(ConfigError) as told:
        read_settings({f"WORKFLOW_DO_{name}": value})
    assert f"WORKFLOW_DO_{name}" in str(told.value)
    assert cure in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "value"), [("POD_NAME", "a_b"), ("POD_NAMESPACE", "a.b")])
def test_a_place_that_cannot_be(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read_settings({name: value})
