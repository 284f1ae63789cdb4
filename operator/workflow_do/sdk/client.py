"""Calls to the API server about our kinds and the Pods and Jobs of runs, as plain JSON objects.

Fields that this version does not know are kept. Decides nothing about runs. Every call is bounded
in time; every error is one of `sdk.errors`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workflow_do.api import names
from workflow_do.engine.nesting import shallow
from workflow_do.sdk.connect import Connection
from workflow_do.sdk.errors import Call, NotInstalled, ServerError, VersionExpired, refusal

Object = dict[str, Any]
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as URLs name it."""

    prefix: str
    plural: str
    group: str = ""

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The URL path of the collection or of one object; namespace None is all of them."""
        from urllib.parse import quote

        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        tail = f"/{quote(name, safe='')}" if name else ""
        return f"{self.prefix}{inside}/{self.plural}{tail}"


def _ours(kind: names.Kind) -> Resource:
    return Resource(f"/apis/{names.API_VERSION}", kind.plural, names.GROUP)


ACTIONS: Final = _ours(names.ACTION)
WORKFLOWS: Final = _ours(names.WORKFLOW)
REVISIONS: Final = _ours(names.REVISION)
RUNS: Final = _ours(names.RUN)
APPROVALS: Final = _ours(names.APPROVAL)
_REVIEWS: Final = Resource(
    "/apis/authentication.k8s.io/v1", "selfsubjectreviews", "authentication.k8s.io"
)
CONFIGMAPS: Final = Resource("/api/v1", "configmaps")
PODS: Final = Resource("/api/v1", "pods")
JOBS: Final = Resource("/apis/batch/v1", "jobs", "batch")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind: by name, labels or fields, in a namespace or (None) in all."""

    resource: Resource
    namespace: str | None
    name: str | None = None
    labels: str | None = None
    fields: str | None = None

    def query(self) -> list[tuple[str, str]]:
        """The selectors as query parameters."""
        by_name = f"metadata.name={self.name}" if self.name else None
        chosen = ",".join(filter(None, [by_name, self.fields]))
        fields = [("fieldSelector", chosen)] if chosen else []
        return fields + ([("labelSelector", self.labels)] if self.labels else [])

    def call(self, verb: str) -> Call:
        """For the text of an error."""
        return Call(verb, self.resource.plural, self.resource.group, self.namespace, self.name)


class Client:
    """One API server. Safe to use from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, or the one that was asked for."""
        return self._connection.namespace

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object. Raises NotFound."""
        call = Call("get", resource.plural, resource.group, namespace, name)
        return self._json("GET", resource.path(namespace, name), call)

    def list_all(self, selection: Selection) -> tuple[list[Object], str]:
        """Every object of the selection, page by page, and the resourceVersion to watch from."""
        items: list[Object] = []
        query = [*selection.query(), ("limit", str(PAGE))]
        path, call = selection.resource.path(selection.namespace), selection.call("list")
        token = ""
        while True:
            page = self._json("GET", path, call, [*query, ("continue", token)] if token else query)
            items += page.get("items") or []
            meta = page.get("metadata") or {}
            token = meta.get("continue") or ""
            if not token:
                return items, meta.get("resourceVersion") or ""

    def create(self, resource: Resource, namespace: str, manifest: Object) -> Object:
        """The object as it was made. Raises AlreadyExists, Invalid."""
        name = manifest["metadata"].get("name")
        call = Call("create", resource.plural, resource.group, namespace, name)
        return self._json("POST", resource.path(namespace), call, body=manifest)

    def whoami(self) -> str:
        """The name that the API server knows us by."""
        call = Call("create", _REVIEWS.plural, _REVIEWS.group)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        review = self._json("POST", _REVIEWS.path(None), call, body=body)
        return str(review["status"]["userInfo"]["username"])

    def apply(
        self, resource: Resource, namespace: str, manifest: Object, manager: str, force: bool
    ) -> Object:
        """Server-side apply. Raises Conflict where another manager owns a changed field."""
        name = manifest["metadata"]["name"]
        call = Call("patch", resource.plural, resource.group, namespace, name)
        query = [
            ("fieldManager", manager),
            ("fieldValidation", "Strict"),
            ("force", str(force).lower()),
        ]
        return self._json(
            "PATCH",
            resource.path(namespace, name),
            call,
            query,
            body=manifest,
            content_type="application/apply-patch+yaml",
        )

    def merge(self, resource: Resource, namespace: str, name: str, patch: Object) -> Object:
        """Merge patch; gives the object after it.

        A `metadata.uid` in the patch is a precondition: where the object has another one, the API
        server refuses (as Invalid, uids being immutable). Raises NotFound, Invalid.
        """
        call = Call("patch", resource.plural, resource.group, namespace, name)
        path = resource.path(namespace, name)
        form = "application/merge-patch+json"
        return self._json("PATCH", path, call, body=patch, content_type=form)

    def replace_spec(
        self, resource: Resource, namespace: str, name: str, version: str, spec: Mapping[str, Any]
    ) -> Object:
        """Another spec for the object as it was read; the rest stays. Raises NotFound, Invalid, and
        Conflict where it is not of that resourceVersion any more.
        """
        call = Call("patch", resource.plural, resource.group, namespace, name)
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {"op": "replace", "path": "/spec", "value": dict(spec)},
        ]
        path, form = resource.path(namespace, name), "application/json-patch+json"
        return self._json("PATCH", path, call, body=patch, content_type=form)

    def watch_once(
        self, selection: Selection, version: str, seconds: float
    ) -> Iterator[tuple[str, Object]]:
        """Changes since `version` as (type, object), until the server or `seconds` end it.

        First comes ("OPEN", {}) when the server has agreed; a bookmark is ("BOOKMARK", object).
        Raises VersionExpired when `version` is too old.
        """
        query = [
            *selection.query(),
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(max(1, int(seconds)))),
        ]
        call = selection.call("watch")
        path = selection.resource.path(selection.namespace)
        answer = self._connection.send("GET", path, call, query=query, read_seconds=seconds)
        yield "OPEN", {}
        for line in filter(None, self._lines(answer, call)):
            event = _event(line, call)
            obj = event.get("object") or {}
            if event.get("type") == "ERROR":
                code = int(obj.get("code") or 500)
                if obj.get("reason") in ("Expired", "Gone"):
                    raise VersionExpired(f"{call}: {obj.get('message')}")
                raise refusal(code, json.dumps(obj).encode(), call)
            yield event.get("type") or "", obj

    def log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = names.CONTAINER,
        tail: int | None = None,
        follow: bool = False,
        seconds: float = 30.0,
    ) -> Iterator[bytes]:
        """Lines of a container's log, without line ends; `seconds` bounds one silence."""
        query = [("container", container), ("follow", str(follow).lower())]
        if tail is not None:
            query.append(("tailLines", str(tail)))
        call = Call("get", "pods/log", "", namespace, pod)
        path = f"{PODS.path(namespace, pod)}/log"
        answer = self._connection.send("GET", path, call, query=query, read_seconds=seconds)
        yield from self._lines(answer, call)

    def _json(
        self,
        method: str,
        path: str,
        call: Call,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        from urllib3.exceptions import HTTPError

        answer = self._connection.send(
            method, path, call, query=query, body=body, content_type=content_type
        )
        try:
            data: Object = json.loads(shallow(answer.data))
        except HTTPError as error:
            raise self._connection.unreachable(error, call) from None
        except ValueError:
            raise NotInstalled(
                f"{self._connection.host} does not answer as an API server does (to {call}): check "
                "the address in the kubeconfig"
            ) from None
        return data

    def _lines(self, answer: Any, call: Call) -> Iterator[bytes]:
        """The lines of a stream as they come; a silence over the read bound ends it quietly."""
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        rest = b""
        try:
            for chunk in answer.stream(None, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
            if rest:
                yield rest
        except ReadTimeoutError:
            return
        except HTTPError as error:
            raise ServerError(f"the answer to {call} broke off: {error}; try again") from None
        finally:
            answer.close()


def _event(line: bytes, call: Call) -> Object:
    try:
        event: Object = json.loads(shallow(line))
    except ValueError:
        raise ServerError(f"the answer to {call} broke off within a line; try again") from None
    return event
