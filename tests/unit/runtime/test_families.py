"""Parents and children in the store: who is woken by whose news, and what is kept of them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from unit.runtime.test_store import COMPLETED, run
from workflow_do.engine.kin import parse_child
from workflow_do.runtime.api import Listing
from workflow_do.runtime.catalogue import Catalogue, DefinitionKey, Kind
from workflow_do.runtime.families import Families
from workflow_do.runtime.store import Store, key_of

Raw = dict[str, Any]
PINNED = {"revisionName": "pay-1"}


def parent(version: int, status: Raw | None = None) -> Raw:
    return run(version, status)


def child(version: int, status: Raw | None = None, uid: str = "c1", of: str = "u1") -> Raw:
    raw = run(version, status)
    owner = {
        "apiVersion": "workflow.do/v1alpha1",
        "kind": "WorkflowRun",
        "name": "run-1",
        "uid": of,
        "controller": True,
    }
    tags = {"role": "do", "step": "pay", "try": "1"}
    labels = {f"workflow.do/{key}": value for key, value in tags.items()}
    labels |= raw["metadata"].get("labels", {})
    raw["metadata"] |= {"uid": uid, "name": uid, "ownerReferences": [owner], "labels": labels}
    return raw


def told() -> tuple[Store, list[str]]:
    """A store, and the uids of the runs that it wakes for the sake of others."""
    woken: list[str] = []
    return Store(kin=lambda key: woken.append(key.uid)), woken


def test_news_of_a_child_wake_its_parent_whichever_was_seen_first() -> None:
    for first, second in ((parent(10), child(11)), (child(10), parent(11))):
        store, woken = told()
        store.see_run(first)
        store.see_run(second)
        woken.clear()
        store.see_run(child(12, PINNED))
        assert woken == ["u1"]
        assert set(store.families.children("team", "u1")) == {"c1"}


def test_what_is_no_news_wakes_nobody() -> None:
    store, woken = told()
    store.see_run(parent(10))
    store.see_run(child(12, PINNED))
    woken.clear()
    store.see_run(child(11))
    store.see_run(child(12))
    assert woken == []


def test_a_write_of_the_parent_wakes_children_that_wait_to_be_named() -> None:
    store, woken = told()
    store.see_run(parent(10))
    store.see_run(child(11, uid="c1"))
    store.see_run(child(12, PINNED, uid="c2"))
    woken.clear()
    store.see_run(parent(13, {"progress": "0/1"}))
    assert woken == ["c1"]


def test_a_child_that_is_gone_wakes_its_parent_and_is_forgotten() -> None:
    store, woken = told()
    store.see_run(parent(10))
    store.see_run(child(11))
    woken.clear()
    store.forget_run("c1")
    assert woken == ["u1"]
    assert store.families.children("team", "u1") == {}


def test_the_end_of_a_child_is_kept_until_its_parent_has_ended() -> None:
    store, _ = told()
    store.see_run(parent(10))
    store.see_run(child(11, COMPLETED))
    [fact] = store.families.children("team", "u1").values()
    assert fact.outcome is not None
    store.see_run(parent(12, COMPLETED))
    assert store.families.children("team", "u1") == {}
    store.see_run(child(13, COMPLETED, uid="c2"))
    assert store.families.children("team", "u1") == {}


def test_a_run_of_another_namespace_is_nobodys_child_here() -> None:
    store, _ = told()
    store.see_run(parent(10))
    stranger = child(11)
    stranger["metadata"]["namespace"] = "elsewhere"
    store.see_run(stranger)
    assert store.families.children("team", "u1") == {}


def test_what_is_not_listed_is_gone_but_not_what_came_after_the_list() -> None:
    store, _ = told()
    store.see_run(parent(10))
    for version, uid in ((11, "c1"), (12, "c2"), (20, "c3")):
        store.see_run(child(version, PINNED, uid=uid))
    store.see_family(key_of(parent(10)), Listing([child(12, PINNED, uid="c2")], 15))
    assert set(store.families.children("team", "u1")) == {"c2", "c3"}
    assert store.record("c1") is None


def test_the_revisions_that_parents_name_are_known_by_workflow() -> None:
    store, _ = told()
    store.see_run(parent(10, {"childRevisions": {"pay": "pay-1", "book": "book-7"}}))
    store.see_run(run(11) | {"metadata": {**run(11)["metadata"], "uid": "u2", "name": "run-2"}})
    assert list(store.families.named_of(("team", "pay"))) == ["pay-1"]
    assert list(store.families.named_of(("other", "pay"))) == []
    store.forget_run("u1")
    assert list(store.families.named_of(("team", "pay"))) == []


def workflow(name: str, *steps: Raw) -> Raw:
    meta = {"name": name, "namespace": "team", "uid": name, "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"steps": list(steps)}}


def test_who_starts_runs_of_a_workflow_uses_what_that_uses() -> None:
    catalogue = Catalogue()

    def key(kind: Kind, name: str) -> DefinitionKey:
        return DefinitionKey(kind, "team", name)

    for raw in (
        workflow("pay", {"action": "charge"}),
        workflow("order", {"workflow": "pay"}),
        workflow("shop", {"workflow": "order"}, {"workflow": "shop"}),
    ):
        catalogue.see(key(Kind.WORKFLOW, raw["metadata"]["name"]), raw)
    every = {key(Kind.WORKFLOW, name) for name in ("pay", "order", "shop")}
    assert catalogue.users_of(key(Kind.ACTION, "charge")) == every
    assert catalogue.users_of(key(Kind.WORKFLOW, "order")) == {key(Kind.WORKFLOW, "shop")}


KEYS = st.sampled_from(
    [
        "ownerReferences",
        "controller",
        "kind",
        "labels",
        "uid",
        "childRevisions",
        "conditions",
        "steps",
        "trigger",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab/-", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, JSON, max_size=6), JSON, JSON)
def test_reading_a_run_as_a_child_is_total(meta: Raw, spec: Any, status: Any) -> None:
    raw = {"metadata": meta, "spec": spec, "status": status}
    assert parse_child(raw).outcome is None
    families = Families()
    families.see(raw, wanted=True)
    families.forget(str(meta.get("uid")))
