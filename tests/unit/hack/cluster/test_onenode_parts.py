"""Archives, processes, cgroups, locks, progress and the command line."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from onenode import archives, cgroups, cli, dns, files, locks, packages, processes
from onenode.api import is_node_ready
from onenode.errors import ClusterError, describe_os_error
from onenode.processes import Identity, Namespace
from onenode.progress import Progress, format_elapsed


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("me/tool:1", "docker.io/me/tool:1"),
        ("localhost/tool:dev", "localhost/tool:dev"),
        ("localhost:5000/tool", "localhost:5000/tool:latest"),
        ("example.com/a/b", "example.com/a/b:latest"),
        ("example.com/a@sha256:1", "example.com/a@sha256:1"),
    ],
)
def test_full_name(name: str, full: str) -> None:
    assert archives.full_name(name) == full


def test_an_archive_tells_its_name_and_comes_out_the_same(tmp_path: Path) -> None:
    layer = archives.make_layer({"bin/tool": b"x"}, [("bin/other", "tool")], ["tmp"])
    for file in ("a.tar", "b.tar"):
        archives.write(tmp_path / file, "tool:1", layer, {"Cmd": ["tool"]})
    assert archives.read_names(tmp_path / "a.tar") == {"docker.io/library/tool:1"}
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "b.tar"]


def test_the_newest_archive_of_a_name_is_found(tmp_path: Path) -> None:
    for age, (file, image) in enumerate({"new": "t:1", "old": "t:1", "other": "t:2"}.items()):
        archives.write(tmp_path / f"{file}.tar", image, b"", {})
        os.utime(tmp_path / f"{file}.tar", (1000 - age, 1000 - age))
    (tmp_path / "broken.tar").write_bytes(b"no tar at all")
    assert archives.find(tmp_path, "t:1") == tmp_path / "new.tar"
    assert archives.find(tmp_path, "t:3") is None
    assert archives.find(tmp_path / "nowhere", "t:1") is None


def fail_half_way(target: Path) -> None:
    with files.replacing(target) as scratch:
        scratch.write_text("half")
        raise RuntimeError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        fail_half_way(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "name", ["(sh)", "(a b)", "(a) S 1 (b)", "())"], ids=["plain", "space", "fields", "bracket"]
)
def test_start_time_whatever_the_name(name: str) -> None:
    rest = " ".join(str(number) for number in range(4, 53))
    assert processes.parse_stat(f"77 {name} S {rest}") == ("S", 22)


def test_identity_of_a_living_process(tmp_path: Path) -> None:
    own = Identity.of_self()
    own.save(tmp_path / "identity")
    assert Identity.load(tmp_path / "identity") == own
    assert own.is_alive()
    assert not replace(own, started=own.started + 1).is_alive()
    assert not replace(own, boot="another").is_alive()


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.read_start_time(child.pid) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 1}', '{"pid":1,"started":2,"boot":"","x":1}']
)
def test_an_identity_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity").write_text(text)
    assert Identity.load(tmp_path / "identity") is None


def test_a_namespace_is_known_by_its_first_process() -> None:
    """Its number alone is given out again by the kernel."""
    number = os.stat("/proc/self/ns/pid").st_ino
    boot = processes.read_boot()
    assert Namespace(number, -1, boot).members() == {}
    assert Namespace(number, processes.read_start_time(1) or 0, "another boot").members() == {}


def test_end_all_without_anything_to_end() -> None:
    gone = replace(Identity.of_self(), started=-1)
    assert processes.end_all(gone, None, limit_seconds=0)


def test_cgroups_of_version_1(tmp_path: Path) -> None:
    for tree in ("cpu", "cpuset", "systemd"):
        (tmp_path / tree).mkdir()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1")
    (tmp_path / "cpuset" / "cpuset.mems").write_text("0")
    (tmp_path / "cpu,cpuacct").symlink_to("cpu")
    cgroups.make("mine", tmp_path)
    assert (tmp_path / "cpuset" / "mine" / "cpuset.cpus").read_text() == "0-1"
    (tmp_path / "cpu" / "mine" / "kubepods" / "pod1").mkdir(parents=True)
    # Files of a real cgroup go with their folder; those of this imitation do not.
    left = cgroups.remove("mine", 0, tmp_path)
    assert left == [tmp_path / "cpuset" / "mine"]
    assert not (tmp_path / "cpu" / "mine").exists()
    assert not (tmp_path / "systemd" / "mine").exists()


def test_cgroups_of_version_2(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "mine"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids rdma\n")
    cgroups.make("mine", tmp_path)
    for folder in (tmp_path, tmp_path / "mine"):
        wanted = "+cpuset +cpu +io +memory +pids"
        assert (folder / "cgroup.subtree_control").read_text() == wanted


def test_a_lock_is_waited_for_with_a_bound(tmp_path: Path) -> None:
    told = io.StringIO()
    progress = Progress(told)
    with (
        locks.hold(tmp_path / "l", "building", 5, progress),
        pytest.raises(ClusterError, match=f"waited 0 s for process {os.getpid()}, which holds"),
        locks.hold(tmp_path / "l", "building", 0, progress),
    ):
        pass
    with locks.hold(tmp_path / "l", "building", 0, progress):
        assert (tmp_path / "l").read_text() == str(os.getpid())


def test_progress_is_quiet_about_what_is_quick() -> None:
    told = io.StringIO()
    progress = Progress(told)
    progress.stage("Working")
    progress.tick("detail")
    progress.done("Done")
    assert told.getvalue() == "Done\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_keeps_one_live_line_on_a_terminal() -> None:
    told = Terminal()
    progress = Progress(told, width=20)
    progress.stage("Working on something with a long name")
    progress.done("Done")
    assert told.getvalue() == "\r\x1b[KWorking on somethin\r\x1b[KDone\n"


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0s"), (59.9, "59s"), (125, "2m05s")])
def test_elapsed(seconds: float, text: str) -> None:
    assert format_elapsed(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("0s", 0.0), ("90s", 90.0), ("2m30s", 150.0), ("1.5h", 5400.0), ("20ms", 0.02)],
)
def test_duration(text: str, seconds: float) -> None:
    assert cli.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "words",
    [
        ["create", "cluster", "--name=a", "--kubeconfig=k", "--image=i", "--config=f", "--wait=1m"],
        ["create", "cluster", "--name", "a", "--kubeconfig", "k", "--image", "i", "--config", "f"],
        ["delete", "cluster", "--name=a", "--kubeconfig=k"],
        ["load", "docker-image", "--name", "a", "image"],
        ["load", "docker-image", "one", "two", "--name=a"],
        ["load", "image-archive", "f.tar", "--name", "a"],
        ["pause", "a", "etcd"],
        ["path", "--name", "a", "audit-log"],
    ],
    ids=" ".join,
)
def test_flags_in_both_forms(words: list[str]) -> None:
    assert cli.make_parser().parse_args(words).name == "a"


@pytest.mark.parametrize(
    "words", [["create"], ["create", "node"], ["fly"], ["create", "cluster", "--wait=x"]]
)
def test_what_is_no_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.make_parser().parse_args(words)
    assert "usage: kind" in capsys.readouterr().err


def test_dns_question_and_answer() -> None:
    question = dns.render_question("a.bc.")
    assert question[12:] == b"\x01a\x02bc\x00\x00\x01\x00\x01"
    answered = question[:2] + b"\x85\x80\x00\x01\x00\x01" + question[8:]
    assert dns.has_answer(answered)
    assert not dns.has_answer(question)
    assert not dns.has_answer(answered[:3] + b"\x83" + answered[4:])
    assert not dns.has_answer(answered[:7] + b"\x00" + answered[8:])
    assert not dns.has_answer(b"short")


@pytest.mark.parametrize(
    ("node", "ready"),
    [
        (None, False),
        ({}, False),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, False),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}, "spec": {}}, True),
        (
            {
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                "spec": {"taints": [{"key": "node.kubernetes.io/not-ready"}]},
            },
            False,
        ),
    ],
    ids=["absent", "new", "unknown", "ready", "tainted"],
)
def test_a_node_is_ready(node: dict[str, object] | None, ready: bool) -> None:
    assert is_node_ready(node) is ready


def test_missing_packages() -> None:
    asked = {"here": ("sh", "/bin/sh"), "half": ("sh", "/nowhere/x"), "gone": ("no-such-program",)}
    assert packages.find_missing(asked) == ["half", "gone"]


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(errno.ENOSPC, "full", "/x/y"), "no room left on the disk of /x/y"),
        (OSError(errno.EROFS, "read-only"), "/cache is on a read-only disk"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied"),
    ],
)
def test_errors_of_the_system_as_sentences(error: OSError, part: str) -> None:
    assert describe_os_error(error, Path("/cache")).startswith(part)
