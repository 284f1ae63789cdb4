"""Where the API server is and who calls it: kubeconfig or the Pod's own ServiceAccount.

The same order as kubectl: what was asked for, then KUBECONFIG, then ~/.kube/config, then the Pod.
The only module that imports the kubernetes package, and only when a connection is made: importing
the SDK stays fast.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workflow_do import __version__
from workflow_do.sdk.errors import Call, Unreachable, refusal

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
_POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Connection:
    """An authenticated way to one API server, with the namespace to use by default."""

    api: Any
    namespace: str
    host: str

    def send(
        self,
        method: str,
        path: str,
        call: Call,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        read_seconds: float = READ_SECONDS,
    ) -> Any:
        """One request; the answer is a urllib3 response whose body is not read yet.

        body: any JSON. For a content type of YAML it is sent as JSON all the same, which is YAML.
        The caller reads it whole or in part and then releases it. Raises the errors of
        `refusal` for every status of 400 and above, and Unreachable without an answer.
        """
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json, */*"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            request = self.api.param_serialize(
                method,
                path,
                query_params=query or [],
                header_params=headers,
                # The kubernetes package serialises JSON types itself, and passes text of others on.
                body=json.dumps(body) if content_type.endswith("yaml") else body,
                auth_settings=["BearerToken"],
            )
            timeout = (CONNECT_SECONDS, read_seconds)
            answer = self.api.call_api(*request, _request_timeout=timeout).response
            if answer.status >= 400:
                raise refusal(answer.status, answer.data, call)
        except (HTTPError, ApiException) as error:
            raise self.unreachable(error, call) from None
        return answer

    def unreachable(self, error: Exception, call: Call) -> Unreachable:
        """The error for an answer that did not come, or broke off."""
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

        cause = getattr(error, "reason", None) or error
        text = " ".join(str(cause).split())[:500]
        said = (
            f"cannot reach the API server at {self.host} ({text}): check that the cluster is up "
            "and that the kubeconfig's context is the right one"
        )
        unsent = isinstance(cause, ConnectTimeoutError | NewConnectionError)
        if call.verb in ("create", "patch") and not unsent:
            said += f"; whether it did {call} is not known, so look before trying again"
        return Unreachable(said)


def connect(
    kubeconfig: str | None = None, context: str | None = None, namespace: str | None = None
) -> Connection:
    """A connection as kubectl would make it. Makes no call to the API server.

    Raises Unreachable where there is no usable configuration.
    """
    from kubernetes.config import ConfigException
    from yaml import YAMLError

    files = kubeconfig or os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    try:
        if kubeconfig or context or _any_file(files) or not _in_pod():
            return _from_kubeconfig(files, context, namespace)
        return _from_pod(namespace)
    except ConfigException as error:
        raise Unreachable(
            f"no usable kubeconfig ({files}): {error}; set KUBECONFIG, or pass "
            "--kubeconfig and --context (in Python: do.connect)"
        ) from None
    except (OSError, ValueError, TypeError, AttributeError, YAMLError) as error:
        raise Unreachable(f"the kubeconfig ({files}) cannot be read: {error}") from None


def _any_file(files: str) -> bool:
    return any(Path(file).expanduser().exists() for file in files.split(os.pathsep) if file)


def _in_pod() -> bool:
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and _POD_NAMESPACE.exists()


def _from_kubeconfig(files: str, context: str | None, namespace: str | None) -> Connection:
    from kubernetes import config

    configuration = _configuration()
    config.load_kube_config(files, context, client_configuration=configuration)
    if namespace is None:
        contexts, active = config.list_kube_config_contexts(files)
        chosen = next((c for c in contexts if c["name"] == context), active)
        namespace = chosen["context"].get("namespace") or "default"
    return _connection(configuration, namespace)


def _from_pod(namespace: str | None) -> Connection:
    from kubernetes import config

    configuration = _configuration()
    config.load_incluster_config(client_configuration=configuration)
    return _connection(configuration, namespace or _POD_NAMESPACE.read_text("utf-8").strip())


def _configuration() -> Any:
    from kubernetes import client
    from urllib3.util import Retry

    configuration = client.Configuration()
    # A kept connection may be closed between two calls: reads are repeated, creates never are.
    configuration.retries = Retry(
        total=2, connect=1, read=1, redirect=0, status=0, other=0, backoff_factor=0.1
    )
    return configuration


def _connection(configuration: Any, namespace: str) -> Connection:
    from kubernetes import client

    api = client.ApiClient(configuration)
    api.user_agent = f"workflow-do/{__version__}"
    return Connection(api=api, namespace=namespace, host=configuration.host)
