"""Makes hack/images/image_builder importable: it lives beside its command."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "hack" / "images"))
