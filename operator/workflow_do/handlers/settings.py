"""How kopf is tuned: quick, quiet, and writing nothing. Each value has its reason beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import kopf

from workflow_do.api import names


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing: there are event handlers only.

    kopf copies every body twice to find what changed; without it an event costs a third.
    """

    def build(self, *, body: Any, extra_fields: Iterable[Any] | None = None) -> Any:
        """Nothing worth comparing."""
        del body, extra_fields
        return {}

    def fetch(self, *, body: Any) -> None:
        """Nothing was stored."""
        del body

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Nothing to store."""
        del body, patch, essence


def kopf_settings() -> kopf.OperatorSettings:
    """The settings of `kopf.operator`."""
    settings = kopf.OperatorSettings()
    _streams(settings)
    _timing(settings)
    _storage(settings)
    return settings


def _streams(settings: kopf.OperatorSettings) -> None:
    watching = settings.watching
    watching.chunk_size = 500  # a start among 10,000 objects without a memory spike
    watching.reconnect_backoff = 0.02
    watching.inactivity_timeout = 65  # bookmarks come every 60 s; shorter flaps when all is quiet
    watching.connect_timeout = 3
    settings.scanning.disabled = True  # our kinds are awaited before the start; no CRDs are read


def _timing(settings: kopf.OperatorSettings) -> None:
    settings.queueing.idle_timeout = 0.5  # an idle worker holds its last object in memory
    settings.queueing.error_delays = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
    settings.queueing.exit_timeout = 0.5
    settings.networking.request_timeout = 15
    settings.networking.connect_timeout = 3
    # Five minutes of a broken API server, then kopf gives up, and the process starts anew.
    settings.networking.error_backoffs = (0.05, 0.1, 0.2, 0.5, 1, 2, *(5 for _ in range(60)))
    settings.process.ultimate_exiting_timeout = 15
    settings.execution.default_backoff = 1


def _storage(settings: kopf.OperatorSettings) -> None:
    settings.peering.standalone = True  # peering is no leader election, and it pauses everything
    settings.posting.enabled = False  # our Events are told by our own recorder
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(
        prefix=names.GROUP, v1=False
    )
    settings.persistence.finalizer = f"{names.GROUP}/unused"
