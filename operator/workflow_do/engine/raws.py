"""Parts of raw objects, read totally: what is not there is empty. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]


def dict_in(raw: Raw, key: str) -> Raw:
    """The mapping under a key; empty where there is none, or something else."""
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}
