"""Conditions of raw Jobs and Pods, read totally: what is not there is empty. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def true_conditions(status: Raw) -> dict[str, str]:
    """The conditions that are True, type → message (or reason, or the type)."""
    return {
        str(c.get("type")): str(c.get("message") or c.get("reason") or c.get("type"))
        for c in status.get("conditions") or ()
        if c.get("status") == "True"
    }


def changed_at(status: Raw, type_: str) -> str | None:
    """When a condition last changed, as Kubernetes writes it."""
    rows = [c for c in status.get("conditions") or () if c.get("type") == type_]
    return rows[0].get("lastTransitionTime") if rows else None


def unschedulable(status: Raw) -> str:
    """What the scheduler said, where it found no node."""
    for c in status.get("conditions") or ():
        if c.get("type") == "PodScheduled" and c.get("reason") == "Unschedulable":
            return str(c.get("message", "")) or "no node fits"
    return ""
