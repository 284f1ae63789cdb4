"""Action notify-devops-team: tells the people on duty. {message, severity?} → {}."""

from __future__ import annotations

import os
import sys

from onboarding.contract import bad_input, log, run_action, text_field
from onboarding.network import post_json

SEVERITIES = ("info", "warning", "critical")


def notify_ops(fields: dict[str, object]) -> dict[str, object]:
    """Post the message, and which run and step it comes from."""
    severity = text_field(fields, "severity", default="warning")
    if severity not in SEVERITIES:
        raise bad_input(f"input field 'severity' must be one of {', '.join(SEVERITIES)}")
    body = {
        "message": text_field(fields, "message"),
        "severity": severity,
        "run": os.environ.get("WORKFLOW_RUN", ""),
        "step": os.environ.get("WORKFLOW_STEP", ""),
    }
    post_json("the ops receiver", "OPS_URL", "/notifications", body)
    log("the team is told")
    return {}


if __name__ == "__main__":
    sys.exit(run_action(notify_ops))
