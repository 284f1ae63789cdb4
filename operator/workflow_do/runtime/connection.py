"""How to reach the API server: from inside a cluster, or by a kubeconfig.

Decides where server, certificates and credentials come from and makes HTTP sessions of them; both
kopf and our own client use these, so they always log in as the same. Knows no Kubernetes kind.
A token is read again when its file changes (the kubelet renews it) or when it expires; it is put
on each request as it is sent, never kept in a session and never logged.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from workflow_do import __version__
from workflow_do.runtime.shallow import ShallowResponse

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

TokenSource = Callable[[], Awaitable[str | None]]
"""Gives the whole Authorization header, or None where the client certificate is enough."""


class ConnectionFault(Exception):
    """There is no usable way to the API server; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One way to an API server. `tls` is None for plain HTTP (tests)."""

    server: str
    tls: ssl.SSLContext | None
    authorization: TokenSource = field(repr=False)

    def session(self, *, limit: int, shallow: bool = False) -> aiohttp.ClientSession:
        """A new session with at most `limit` connections (0: any number); `shallow`: its JSON is,
        for readers that do not cut it themselves.
        """
        connector = aiohttp.TCPConnector(
            limit=limit, ssl=self.tls if self.tls is not None else True, keepalive_timeout=60
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=15, sock_connect=3),
            headers={"User-Agent": f"workflow-do/{__version__}"},
            middlewares=(self._authorize,),
            response_class=ShallowResponse if shallow else aiohttp.ClientResponse,
        )

    async def _authorize(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        header = await self.authorization()
        if header is not None:
            request.headers["Authorization"] = header
        return await handler(request)


def connect(environ: Mapping[str, str], account: Path = _ACCOUNT) -> Connection:
    """The connection that `environ` and the files it names describe.

    KUBECONFIG wins over the service account of a Pod, as a developer's choice.
    """
    if environ.get("KUBECONFIG"):
        return _from_kubeconfig(environ["KUBECONFIG"])
    host = environ.get("KUBERNETES_SERVICE_HOST")
    if host and (account / "token").exists():
        return _in_cluster(host, environ.get("KUBERNETES_SERVICE_PORT", "443"), account)
    if Path("~/.kube/config").expanduser().exists():
        return _from_kubeconfig("~/.kube/config")
    raise ConnectionFault(
        "There is neither a service account nor a kubeconfig: run in a Pod with its token "
        "mounted, or set KUBECONFIG."
    )


class TokenFile:
    """A bearer token in a file, read again when the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._header: str | None = None

    async def __call__(self) -> str | None:
        """The header; asks the file's metadata only, unless it has changed."""
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._header = f"Bearer {self._path.read_text(encoding='ascii').strip()}"
            self._stamp = stamp
        return self._header


def _in_cluster(host: str, port: str, account: Path) -> Connection:
    name = f"[{host}]" if ":" in host else host
    return Connection(
        server=f"https://{name}:{port}",
        tls=ssl.create_default_context(cafile=str(account / "ca.crt")),
        authorization=TokenFile(account / "token"),
    )


def _from_kubeconfig(path: str) -> Connection:
    """The current context of a kubeconfig, credential plugins included."""
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, load_kube_config

    config = Configuration()
    try:
        load_kube_config(config_file=path, client_configuration=config, persist_config=False)
        tls = _tls(config) if config.host.startswith("https") else None
    except (ConfigException, OSError, ssl.SSLError) as error:
        raise ConnectionFault(f"The kubeconfig {path!r} cannot be used: {error}") from error
    return Connection(config.host.rstrip("/"), tls, _kubeconfig_token(config))


def _tls(config: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ssl_ca_cert)
    if config.cert_file:
        context.load_cert_chain(config.cert_file, config.key_file)
    if not config.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _kubeconfig_token(config: Any) -> TokenSource:
    """The header a kubeconfig asks for; a plugin may run a program, so it runs in a thread."""
    if config.username:
        pair = f"{config.username}:{config.password or ''}".encode()
        basic = f"Basic {base64.b64encode(pair).decode()}"
        return _always(basic)
    if config.refresh_api_key_hook is None:
        return _always(config.get_api_key_with_prefix("BearerToken"))

    async def refreshed() -> str | None:
        header: str | None = await asyncio.to_thread(config.get_api_key_with_prefix, "BearerToken")
        return header

    return refreshed


def _always(header: str | None) -> TokenSource:
    async def same() -> str | None:
        return header

    return same


def from_environment() -> Connection:
    """The connection of this process."""
    return connect(os.environ)
