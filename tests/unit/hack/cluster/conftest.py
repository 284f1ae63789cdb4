"""The cluster tool is no part of the installed package; its folder is put on the path here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "hack" / "cluster"))
