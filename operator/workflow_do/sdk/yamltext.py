"""Objects as YAML that kubectl reads back as the same objects.

PyYAML and kubectl's parser both speak YAML 1.1, but not quite the same one: kubectl takes a plain
`y` for true, `089`, `1e3` and `0o17` for numbers, where PyYAML sees text and leaves the quotes out.
Here every text that either of them could take for something else is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

_BOOL: Final = re.compile(r"^[yYnN]$")
_NUMBER: Final = re.compile(
    r"^[-+]?(?:0[xXoObB][0-9a-fA-F_]+"
    r"|(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?)$"
)


class _Dumper(yaml.SafeDumper):
    """What looks like a value of another type to kubectl is resolved as one, and so is quoted."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("yYnN"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789"))


def dump_yaml(value: Mapping[str, Any]) -> str:
    """The object as YAML, keys in the order given."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
