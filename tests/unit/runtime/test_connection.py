"""Ways to the API server: which is taken, and that tokens are read again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from workflow_do.runtime.connection import ConnectionFault, TokenFile, connect

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:8001/"}}]
users: [{name: u, user: {%s}}]
"""


def kubeconfig(folder: Path, user: str = "") -> dict[str, str]:
    path = folder / "config"
    path.write_text(KUBECONFIG % user, encoding="utf-8")
    return {"KUBECONFIG": str(path)}


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ("", None),
        ("token: s3cret", "Bearer s3cret"),
        ("username: ann, password: b", "Basic YW5uOmI="),
    ],
    ids=["none", "token", "password"],
)
def test_a_kubeconfig(tmp_path: Path, user: str, header: str | None) -> None:
    connection = connect(kubeconfig(tmp_path, user))
    assert connection.server == "http://127.0.0.1:8001"
    assert connection.tls is None
    assert asyncio.run(ask(connection.authorization)) == header
    assert "s3cret" not in repr(connection)


async def ask(source: object) -> str | None:
    answer: str | None = await source()  # type: ignore[operator]
    return answer


def test_a_kubeconfig_that_is_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConnectionFault, match="config"):
        connect({"KUBECONFIG": str(path)})


def test_neither_account_nor_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConnectionFault, match="set KUBECONFIG"):
        connect({}, account=tmp_path / "nothing")


def test_a_token_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n", encoding="ascii")
    source = TokenFile(path)
    assert asyncio.run(ask(source)) == "Bearer one"
    renewed = tmp_path / "renewed"
    renewed.write_text("two\n", encoding="ascii")
    os.replace(renewed, path)
    assert asyncio.run(ask(source)) == "Bearer two"
