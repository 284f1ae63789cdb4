"""The operator's own small client with the two calls more that tests need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from workflow_do.runtime.api import Api, NotFound, Raw, Resource
from workflow_do.runtime.connection import connect


class Calls(Api):
    """Calls to one API server."""

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Raw:
        """Any call; ApiError where it was not done."""
        return await self._call(method, path, body, headers=headers)

    async def delete(self, resource: Resource, namespace: str | None, name: str) -> None:
        """Take an object away at once, and what it owns in the background; fine if it is gone."""
        body = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        try:
            await self.call("DELETE", resource.path(namespace, name), body)
        except NotFound:
            return


@asynccontextmanager
async def calling(kubeconfig: Path) -> AsyncIterator[Calls]:
    """A client of the API server that a kubeconfig leads to."""
    link = connect({"KUBECONFIG": str(kubeconfig)})
    async with Calls(link.server, link.session(limit=0)) as calls:
        yield calls
