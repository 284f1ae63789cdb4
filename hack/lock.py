"""Pins the requirements with hashes, for every supported Python, naming no index.

`requirements/operator.txt` is what the image installs, `requirements/build.txt` what makes the
wheel in it, `requirements/dev.txt` what development installs. All are universal: markers choose by
Python version.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "pyproject.toml"
COMMON = ("--universal", "--python-version=3.11", "--generate-hashes", "--no-header")
COMMON += ("--no-annotate", "--quiet")


def main() -> int:
    """Compile all files; the exit code is uv's."""
    runs = (
        ("operator.txt", PROJECT, "--extra=operator"),
        ("dev.txt", PROJECT, "--extra=operator", "--group=dev", "-c", "requirements/operator.txt"),
        ("build.txt", "--group=build", "-c", "requirements/dev.txt"),
    )
    for name, *options in runs:
        command = [sys.executable, "-m", "uv", "pip", "compile", *options]
        command += [*COMMON, "-o", f"requirements/{name}"]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code != 0:
            print(f"lock: requirements/{name} could not be compiled", file=sys.stderr)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
