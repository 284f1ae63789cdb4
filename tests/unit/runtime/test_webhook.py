"""The webhook's server: renewed certificates, and requests that anybody in a cluster may send."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from support.certificates import make_certificate
from support.definitions import TAKES
from support.operator import free_port
from workflow_do.handlers import webhook
from workflow_do.runtime.api import Api
from workflow_do.runtime.config import ConfigError, Settings


async def ask(port: int, body: bytes) -> tuple[int, Any]:
    """What is answered to a POST."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"https://127.0.0.1:{port}/review", data=body, ssl=trusting) as answer,
    ):
        text = await answer.text()
        return answer.status, json.loads(text) if answer.status == 200 else text


async def peer(port: int) -> bytes:
    """The certificate that is shown to a new connection."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown


def asked(namespace: Any = "shop", kind: Any = "Action", spec: Any = None) -> bytes:
    raw = {"metadata": {"name": "takes"}, "spec": TAKES if spec is None else spec}
    request = {"uid": "u-1", "kind": {"kind": kind}, "namespace": namespace, "object": raw}
    return json.dumps({"request": request}).encode()


STRANGE = {
    "empty": b"",
    "no-json": b"{",
    "a-list": b"[1]",
    "no-request": b"{}",
    "null": b'{"request": null}',
    "no-object": b'{"request": {"uid": "u", "kind": {"kind": "Action"}, "namespace": "x"}}',
    "a-way-out": asked("../../../api/v1/namespaces/kube-system/secrets/x?"),
    "no-namespace": asked(None),
    "kind-is-a-list": asked(kind=["Action"]),
    "deep": b'{"request": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


def test_what_anybody_may_send(tmp_path: Path) -> None:
    settings = Settings(
        webhook_certificates=str(make_certificate(tmp_path / "tls")), webhook_port=free_port()
    )

    async def trial() -> None:
        # Nothing of this needs an API server: Actions are asked for only by Workflows.
        async with (
            Api("http://127.0.0.1:1", aiohttp.ClientSession()) as api,
            webhook.serve(settings, api),
        ):
            for name, body in STRANGE.items():
                assert (await ask(settings.webhook_port, body))[0] == 400, name
            status, good = await ask(settings.webhook_port, asked())
            assert (status, good["response"]) == (200, {"uid": "u-1", "allowed": True})
            wrong = asked(spec={"image": "x", "inputSchema": {"type": "strin"}})
            _, bad = await ask(settings.webhook_port, wrong)
            assert bad["response"]["allowed"] is False
            assert "inputSchema" in bad["response"]["status"]["message"]
            flow = asked(kind="Workflow", spec={"steps": [{"id": "a", "action": "b"}]})
            assert (await ask(settings.webhook_port, flow))[0] == 500, "no API server: no answer"

    asyncio.run(trial())


def test_a_renewed_certificate_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_RELOAD_SECONDS", 0.05)
    said: list[str] = []
    log = SimpleNamespace(warning=lambda text, **_: said.append(text), info=said.append)
    monkeypatch.setattr(webhook, "_log", log)
    folder = make_certificate(tmp_path / "tls", "old")
    settings = Settings(webhook_certificates=str(folder), webhook_port=free_port())

    async def until_said(text: str) -> None:
        for _ in range(200):
            if text in said:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{text!r} was not said in 10 s, but {said}")

    async def trial() -> None:
        async with (
            Api("http://127.0.0.1:1", aiohttp.ClientSession()) as api,
            webhook.serve(settings, api),
        ):
            old = await peer(settings.webhook_port)
            (folder / "tls.crt").write_text("half a file")
            await until_said("the new certificate cannot be used")
            assert await peer(settings.webhook_port) == old
            await asyncio.to_thread(make_certificate, folder, "new")
            await until_said("the certificate was renewed")
            assert await peer(settings.webhook_port) != old

    asyncio.run(trial())


def test_without_certificates_nothing_is_served_and_bad_ones_are_named(tmp_path: Path) -> None:
    async def serve(folder: str) -> None:
        settings = Settings(webhook_certificates=folder, webhook_port=free_port())
        async with (
            Api("http://127.0.0.1:1", aiohttp.ClientSession()) as api,
            webhook.serve(settings, api),
        ):
            pass

    asyncio.run(serve(""))
    with pytest.raises(ConfigError, match=r"it must hold tls\.crt and tls\.key"):
        asyncio.run(serve(str(tmp_path)))
