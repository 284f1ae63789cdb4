"""Over HTTPS: what the API server asks before it stores a Workflow or an Action, if it is told to.

Answers by live reads of the Actions, so that one who stands by answers as well as one who leads.
Decides nothing about definitions: `engine/review` does. Without a usable answer it gives none, and
the API server goes by its failurePolicy.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from workflow_do.engine.nesting import shallow
from workflow_do.engine.review import Answer, review
from workflow_do.runtime import logs
from workflow_do.runtime.api import ACTIONS, WORKFLOWS, Api, ApiError, Resource
from workflow_do.runtime.config import ConfigError, Settings
from workflow_do.runtime.used import find_used

PATH: Final = "/review"
_MAX_BYTES: Final = 8 * 1024 * 1024
"""An object as it is and as it was; the API server takes none over 3 MiB."""
_AT_ONCE: Final = 4
_ANSWER_SECONDS: Final = 5.0
_RELOAD_SECONDS: Final = 30.0
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_log = logs.get("webhook")


def serve(settings: Settings, api: Api) -> AbstractAsyncContextManager[None]:
    """Answer until the block ends; nothing at all where no certificates are given.

    Raises ConfigError if these cannot be used, or the port cannot be listened on.
    """
    folder = settings.webhook_certificates
    return _serve(settings.webhook_port, Path(folder), api) if folder else nullcontext()


@asynccontextmanager
async def _serve(port: int, folder: Path, api: Api) -> AsyncIterator[None]:
    certificates = _Certificates(folder)
    app = web.Application(client_max_size=_MAX_BYTES)
    app.add_routes([web.post(PATH, _Reviewer(api).answer)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    keeping = asyncio.create_task(certificates.keep(), name="certificates")
    try:
        await _listen(runner, port, certificates.context)
        yield
    finally:
        keeping.cancel()
        await runner.cleanup()


class _Certificates:
    """The server's certificate, read again when its file has changed: Secrets are renewed."""

    def __init__(self, folder: Path) -> None:
        self._files = (folder / "tls.crt", folder / "tls.key")
        self._seen = self._times()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self.context.load_cert_chain(*self._files)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(
                f"WORKFLOW_DO_WEBHOOK_CERTIFICATES is {folder}, where no certificate can be read "
                f"({error.strerror or error}); it must hold tls.crt and tls.key."
            ) from error

    async def keep(self) -> None:
        """Read it again whenever it has changed, until cancelled; connections to come use it."""
        while True:
            await asyncio.sleep(_RELOAD_SECONDS)
            found = self._times()
            if found == self._seen:
                continue
            try:
                self.context.load_cert_chain(*self._files)
            except OSError as error:
                _log.warning("the new certificate cannot be used", error=str(error))
                continue
            self._seen = found
            _log.info("the certificate was renewed")

    def _times(self) -> tuple[float, ...]:
        return tuple(f.stat().st_mtime if f.exists() else 0.0 for f in self._files)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One object that somebody wants to store."""

    uid: str
    kind: str
    namespace: str
    raw: dict[str, Any]


class _Reviewer:
    """Answers requests, a few at once: each costs some milliseconds of the operator's one loop."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, request: web.Request) -> web.Response:
        """An AdmissionReview with its response; 400 to what is none, 500 without an answer."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS), self._turn:
                asked = _parse(await request.read())
                if asked is None:
                    return web.Response(status=400, text="not an AdmissionReview of an object\n")
                find = partial(self._find, asked.namespace)
                used = await find_used(asked.raw, partial(find, ACTIONS), partial(find, WORKFLOWS))
                answer = review(asked.kind, asked.raw, *used)
                return web.json_response(_reviewed(asked.uid, answer))
        except (ApiError, TimeoutError) as error:
            _log.warning("no answer about a definition", error=str(error) or "timed out")
            return web.Response(status=500, text="the API server could not be asked\n")

    async def _find(self, namespace: str, resource: Resource, name: str) -> dict[str, Any] | None:
        return await self._api.find(resource, namespace, name)


def _parse(body: bytes) -> _Asked | None:
    """What is asked; None where it is not to be understood. Anybody may send anything."""
    try:
        request = orjson.loads(shallow(body))["request"]
        uid, raw, namespace = request["uid"], request["object"], request["namespace"]
        kind = request["kind"]["kind"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    texts = all(isinstance(text, str) for text in (uid, kind, namespace))
    if not texts or not isinstance(raw, dict) or not _NAMESPACE.fullmatch(namespace):
        return None
    return _Asked(uid, kind, namespace, raw)


def _reviewed(uid: Any, answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": uid, "allowed": answer.allowed}
    if not answer.allowed:
        response["status"] = {"code": 422, "reason": "Invalid", "message": answer.message}
    if answer.warnings:
        response["warnings"] = list(answer.warnings)
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


async def _listen(runner: web.AppRunner, port: int, context: ssl.SSLContext) -> None:
    try:
        await web.TCPSite(runner, port=port, ssl_context=context).start()
    except OSError as error:
        raise ConfigError(
            f"WORKFLOW_DO_WEBHOOK_PORT is {port}, which cannot be listened on ({error.strerror}); "
            "give a free port."
        ) from error
