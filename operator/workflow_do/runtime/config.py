"""The operator's settings, read once from the environment and frozen.

Decides which values are acceptable and says, for one that is not, which variable to mend and how.
Knows nothing of Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_POD = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_PREFIX = "WORKFLOW_DO_"


class ConfigError(Exception):
    """A setting that cannot be used; the message is one sentence for whoever set it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this operator runs. No namespaces means: all of them.

    At most `max_live_jobs` Jobs of runs are live at once; 0: no limit.
    `pod` is the name of the Pod it runs in, "" outside of one. Of the operators with one and the
    same lease, one works at a time. `webhook_certificates` is the folder with those of the webhook,
    "" where it is not served.
    """

    namespaces: tuple[str, ...] = ()
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"
    port: int = 8080
    resync_seconds: float = 15.0
    workers: int = 64
    pod: str = ""
    lease_namespace: str = "default"
    lease_name: str = "workflow-do"
    max_live_jobs: int = 0
    webhook_certificates: str = ""
    webhook_port: int = 9443


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; a ConfigError names the variable that is wrong."""
    base = Settings()
    namespaces = _namespaces(environ.get(_PREFIX + "NAMESPACES", ""))
    home = namespaces[0] if namespaces else base.lease_namespace
    return Settings(
        namespaces=namespaces,
        log_level=cast(LogLevel, _choice(environ, "LOG_LEVEL", LogLevel, base.log_level)),
        log_format=cast(LogFormat, _choice(environ, "LOG_FORMAT", LogFormat, base.log_format)),
        port=_whole(environ, "PORT", base.port, 1, 65535),
        resync_seconds=_whole(environ, "RESYNC_SECONDS", int(base.resync_seconds), 1, 3600),
        workers=_whole(environ, "WORKERS", base.workers, 1, 1000),
        pod=_name(environ, "POD_NAME", base.pod, _POD),
        lease_namespace=_name(environ, "POD_NAMESPACE", home, _NAMESPACE),
        lease_name=_name(environ, _PREFIX + "LEASE_NAME", base.lease_name, _POD),
        max_live_jobs=_whole(environ, "MAX_LIVE_JOBS", base.max_live_jobs, 0, 1_000_000),
        webhook_certificates=environ.get(_PREFIX + "WEBHOOK_CERTIFICATES", "").strip(),
        webhook_port=_whole(environ, "WEBHOOK_PORT", base.webhook_port, 1, 65535),
    )


def _namespaces(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    for name in names:
        if not _NAMESPACE.fullmatch(name):
            raise ConfigError(
                f"{_PREFIX}NAMESPACES holds {name[:80]!r}, which is not the name of a namespace; "
                "give names separated by commas, or nothing for all namespaces."
            )
    return names


def _name(environ: Mapping[str, str], variable: str, default: str, form: re.Pattern[str]) -> str:
    text = environ.get(variable, "").strip()
    if not text:
        return default
    if not form.fullmatch(text):
        raise ConfigError(
            f"{variable} is {text[:80]!r}, which no object can be called; give its name in small "
            "letters, digits and dashes, or nothing."
        )
    return text


def _choice(environ: Mapping[str, str], name: str, kind: object, default: str) -> str:
    allowed = get_args(kind)
    value = environ.get(_PREFIX + name, "").strip().lower() or default
    if value not in allowed:
        raise ConfigError(
            f"{_PREFIX}{name} is {value[:80]!r}; it must be one of {', '.join(allowed)}."
        )
    return value


def _whole(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(_PREFIX + name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ConfigError(
            f"{_PREFIX}{name} is {text[:80]!r}; it must be a whole number from {low} to {high}."
        )
    return int(text)
