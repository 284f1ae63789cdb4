"""Image archives on disk: making small ones, reading whose they are, finding one by its name.

The form is docker-archive, which containerd, Docker and buildah all read. Archives made here come
out the same, byte for byte, from the same programs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from onenode import files
from onenode.errors import ClusterError

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def full_name(image: str) -> str:
    """A name as containerd keeps it: ``busybox`` → ``docker.io/library/busybox:latest``."""
    name, at, content = image.partition("@")
    if not at and ":" not in name.rpartition("/")[2]:
        name += ":latest"
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    return name + at + content


def read_names(archive: Path) -> set[str]:
    """The full names that a docker-archive gives its images; empty when it is none.

    Only the headers of the archive are read, and its manifest.
    """
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile("manifest.json")
            entries = json.load(file) if file else []
    except (OSError, tarfile.TarError, KeyError, ValueError):
        return set()
    return {full_name(name) for entry in entries for name in entry.get("RepoTags") or []}


def find(folder: Path, image: str) -> Path | None:
    """The newest archive in ``folder`` (not below it: builders keep other things there)."""
    wanted = full_name(image)
    found = [path for path in folder.glob("*.tar") if wanted in read_names(path)]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def write(target: Path, image: str, layer: bytes, config: dict[str, object]) -> None:
    """Writes a docker-archive with one layer (a tar) to ``target``, in one step."""
    diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    machine = os.uname().machine
    description = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
    ).encode()
    config_file = f"{hashlib.sha256(description).hexdigest()}.json"
    manifest = [{"Config": config_file, "RepoTags": [image], "Layers": ["layer.tar"]}]
    with files.replacing(target) as scratch, tarfile.open(scratch, "w") as tar:
        for name, data in (
            ("manifest.json", json.dumps(manifest).encode()),
            (config_file, description),
            ("layer.tar", layer),
        ):
            _add_file(tar, name, data)


def make_layer(
    programs: dict[str, bytes], links: Iterable[tuple[str, str]] = (), folders: Iterable[str] = ()
) -> bytes:
    """A layer of executable ``programs``, symbolic ``links`` (name, target), writable folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in folders:
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(member)
        for name, data in programs.items():
            _add_file(tar, name, data, 0o755)
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return buffer.getvalue()


def _add_file(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    tar.addfile(member, io.BytesIO(data))


def write_pause(target: Path, image: str, program: Path) -> None:
    """The image whose process holds a Pod's namespaces; ``program`` must be static."""
    layer = make_layer({"pause": program.read_bytes()})
    write(target, image, layer, {"Entrypoint": ["/pause"], "User": "65535:65535"})


def write_busybox(target: Path, image: str, program: Path = Path("/bin/busybox")) -> None:
    """A small image with a shell and the usual commands, from Debian's busybox-static."""
    data = program.read_bytes()
    if b"ld-linux" in data[:4096]:
        raise ClusterError(f"{program} is not static; install the package busybox-static")
    listed = subprocess.run(
        [program, "--list"], capture_output=True, text=True, timeout=30, check=True
    )
    commands = [name for name in listed.stdout.split() if name != "busybox"]
    content = {
        "bin/busybox": data,
        "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnonroot:x:65532:65532:nonroot:/tmp:/bin/sh\n",
        "etc/group": b"root:x:0:\nnonroot:x:65532:\n",
    }
    links = [(f"bin/{name}", "busybox") for name in commands]
    layer = make_layer(content, links, folders=["tmp"])
    write(target, image, layer, {"Env": ["PATH=/bin"], "Cmd": ["sh"]})
