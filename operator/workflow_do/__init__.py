"""workflow-do: business processes as Kubernetes objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from workflow_do.sdk.do import do as do

__all__ = ["__version__", "do"]


def __getattr__(name: str) -> object:
    """Load the SDK only when it is asked for: importing the package stays free of effects."""
    if name == "do":
        from workflow_do.sdk.do import do

        return do
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
