"""What of this machine's configuration a build needs: package sources, CA bundle, pip settings.

These are mounted into the build and end with it; nothing of them is written into an image or a
committed file. Reads apt's and pip's own answers rather than their files, whose forms differ.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from image_builder.errors import BuildError
from image_builder.process import query, run_tool
from image_builder.progress import say

CA_FOLDER = Path("/etc/ssl/certs")
CA_BUNDLE = CA_FOLDER / "ca-certificates.crt"
TOOLS = {
    "buildah": "buildah",
    "crun": "crun",
    "debootstrap": "debootstrap",
    "setpriv": "util-linux",
    "tar": "tar",
}
APT_LOCK_WAIT_SECONDS = 180.0
APT_SETTINGS = ("Acquire::Check-", "Acquire::Retries", "Acquire::http", "Acquire::https")
PIP_SETTINGS_NOT_FOR_BUILDS = frozenset({"user", "target", "prefix", "require-virtualenv", "log"})

# Where a build finds them; an image keeps nothing but empty files there, for the mounts to lie on.
SOURCES_PLACE = "/etc/apt/sources.list"
APT_CONF_PLACE = "/etc/apt/apt.conf.d/99build-machine"
PIP_CONF_PLACE = "/etc/pip.conf"


@dataclass(frozen=True)
class AptSource:
    """One source of Debian packages as apt knows it."""

    uri: str
    suite: str
    component: str


def install_tools(log: Path) -> None:
    """Install the Debian packages of the tools that are missing; needs root and apt."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"
    missing = sorted({pkg for tool, pkg in TOOLS.items() if not shutil.which(tool, path=path)})
    if not missing:
        return
    if not shutil.which("apt-get", path=path):
        raise BuildError(
            f"{', '.join(missing)} must be installed (this system has no apt-get to do it), "
            "or a Docker daemon must be running."
        )
    say(f"installing {', '.join(missing)}")
    apt_get(["update"], log)
    apt_get(["install", "--yes", "--no-install-recommends", *missing], log)


def apt_get(arguments: list[str], log: Path) -> None:
    """Run apt-get, waiting (with a bound) for another apt-get that holds the lock."""
    give_up = time.monotonic() + APT_LOCK_WAIT_SECONDS
    while True:
        try:
            return run_tool(
                ["apt-get", "-o", f"DPkg::Lock::Timeout={APT_LOCK_WAIT_SECONDS:.0f}", *arguments],
                label=f"apt-get {arguments[0]}",
                log=log,
            )
        except BuildError as error:
            if "lock" not in str(error).lower() or time.monotonic() > give_up:
                raise
            time.sleep(1.0)


def find_debian_sources(suite: str, log: Path) -> list[AptSource]:
    """The machine's own apt sources of a Debian suite, its updates and its security fixes.

    Empty where the machine is not a Debian of that suite.
    """
    found = _ask_apt(suite)
    if found is None:
        return []
    if not found and os.path.exists("/etc/debian_version"):
        apt_get(["update"], log)  # without package lists apt cannot say which suite is which
        found = _ask_apt(suite)
    return found or []


def _ask_apt(suite: str) -> list[AptSource] | None:
    form = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    answer = query(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    return None if answer is None else parse_index_targets(answer, suite)


def parse_index_targets(answer: str, suite: str) -> list[AptSource]:
    """Debian's sources of `suite` from lines `origin|codename|uri|release|component`."""
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    sources = []
    for line in answer.splitlines():
        origin, codename, uri, release, component = line.split("|")
        if origin == "Debian" and codename in wanted and component == "main":
            sources.append(AptSource(uri, release, component))
    return sorted(set(sources), key=lambda source: (len(source.suite), source.suite, source.uri))


def mount_configuration(
    folder: Path, sources: list[AptSource], environ: Mapping[str, str], *, trust: bool
) -> list[str]:
    """Write the configuration files into `folder`; the `--volume` values that bring them in.

    With `trust` the machine's CA bundle is brought in too, as an overlay whose changes are lost.
    """
    places = {
        SOURCES_PLACE: "".join(f"deb {s.uri} {s.suite} {s.component}\n" for s in sources),
        APT_CONF_PLACE: _apt_settings(query(["apt-config", "dump"]) or ""),
        PIP_CONF_PLACE: pip_conf(query(["pip", "config", "list"]) or "", environ),
    }
    volumes = []
    folder.mkdir(parents=True, exist_ok=True)
    for place, text in places.items():
        if text:
            copy = folder / Path(place).name
            copy.write_text(text, "utf-8")
            volumes.append(f"{copy}:{place}:ro")
    if trust and CA_BUNDLE.is_file():
        volumes.append(f"{CA_FOLDER}:{CA_FOLDER}:O")
    return volumes


def _apt_settings(dump: str) -> str:
    lines = [line for line in dump.splitlines() if line.startswith(APT_SETTINGS)]
    return "".join(f"{line}\n" for line in lines if not line.endswith('"";'))


def pip_conf(listing: str, environ: Mapping[str, str]) -> str:
    """A pip.conf of the machine's settings: `pip config list` lines, over them PIP_* variables.

    Folders of wheels on this machine are left out (a build cannot see them), and so is what
    decides where pip installs.
    """
    settings = {}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.strip().rpartition(".")
        if section in ("global", "install", "user", "site"):
            settings[key] = " ".join(shlex.split(value))
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    if settings.get("find-links", "").startswith("/"):
        del settings["find-links"]
    if CA_BUNDLE.is_file():
        settings["cert"] = str(CA_BUNDLE)
    kept = {key: text for key, text in settings.items() if key not in PIP_SETTINGS_NOT_FOR_BUILDS}
    return "[global]\n" + "".join(f"{key} = {text}\n" for key, text in sorted(kept.items()))
