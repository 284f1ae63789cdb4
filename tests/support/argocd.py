"""Argo CD's way of running Lua: what a script finds, and what becomes of what it gives.

A real Lua 5.1 with the libraries that Argo CD opens for customizations (base, table, the time of
os), its way of turning objects into tables and back, and its merge patch. Written from its
documentation and behaviour; what gets lost on the way there gets lost here.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Final

import lupa.lua51

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SCRIPTS: Final = ROOT / "charts" / "workflow-do" / "files" / "argocd" / "workflow.do"
HEALTH: Final = {"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"}
NOW: Final = 1_780_000_000

_SANDBOX: Final = """
getmetatable("").__index = nil
return function(text, obj, now)
  local env = {
    ipairs = ipairs, pairs = pairs, next = next, type = type, tostring = tostring,
    tonumber = tonumber, select = select, unpack = unpack, error = error, pcall = pcall,
    table = table, os = {time = function() return now end}, obj = obj,
  }
  return setfenv(assert(loadstring(text)), env)()
end
"""


def run(text: str, obj: Object) -> Any:
    """What a script gives for an object, as JSON data."""
    lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    return _to_python(lua.execute(_SANDBOX)(text, _to_lua(lua, obj), NOW))


def health(obj: Object) -> Object:
    """Status and message of the kind's health script."""
    found: Object = run((SCRIPTS / obj["kind"] / "health.lua").read_text(encoding="utf-8"), obj)
    assert found["status"] in HEALTH
    assert isinstance(found["message"], str)
    return found


def enabled(obj: Object) -> set[str]:
    """The actions that can be clicked."""
    path = SCRIPTS / obj["kind"] / "actions" / "discovery.lua"
    if not path.exists():
        return set()
    found = run(path.read_text(encoding="utf-8"), obj)
    return {name for name, how in found.items() if not how["disabled"]}


def act(obj: Object, name: str) -> Any:
    """What an action gives: a list of operations, or the merge patch of the object."""
    path = SCRIPTS / obj["kind"] / "actions" / name / "action.lua"
    given = run(path.read_text(encoding="utf-8"), obj)
    return given if isinstance(given, list) else _merge_patch(obj, _cleaned(given, obj))


def _to_lua(lua: Any, value: Any) -> Any:
    """A null is no entry at all, and every number is a double."""
    if isinstance(value, dict):
        rows = {k: _to_lua(lua, v) for k, v in value.items() if v is not None}
        return lua.table_from(rows)
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, v) for v in value if v is not None])
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _to_python(value: Any) -> Any:
    """A table is a list if it is empty or counted from 1."""
    if lupa.lua51.lua_type(value) != "table":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    rows = dict(value.items())
    if all(isinstance(key, int | float) for key in rows):
        return [_to_python(rows[key]) for key in sorted(rows)]
    return {key: _to_python(inner) for key, inner in rows.items()}


def _cleaned(new: Any, old: Any) -> Any:
    """Where an object was empty, it has not become a list."""
    if new == [] and isinstance(old, dict):
        return copy.deepcopy(old) if not old else new
    if isinstance(new, dict) and isinstance(old, dict):
        return {k: _cleaned(v, old[k]) if k in old else v for k, v in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_cleaned(v, old[at]) if at < len(old) else v for at, v in enumerate(new)]
    return new


def _merge_patch(old: Object, new: Object) -> Object:
    """RFC 7386: what to merge into the old one."""
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = _merge_patch(before, value)
            patch |= {key: inner} if inner else {}
        elif value != before:
            patch[key] = value
    return patch
