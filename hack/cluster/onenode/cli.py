"""The command line: kind's verbs and a few of its own; words into calls, errors into words."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

from onenode import binaries, commands, docker
from onenode.errors import ClusterError, describe_os_error
from onenode.progress import Progress
from onenode.settings import DEFAULT_PATH, Cache, find_cache, find_home

EPILOG = """\
examples:
  kind create cluster --name demo         a whole node: Pods run, Services resolve
  kind create cluster --name api --control-plane-only --kubeconfig ./kubeconfig
                                          etcd, API server and controllers alone, in a few seconds
  kind load docker-image localhost/workflow-do/operator:dev --name demo
  kind pause demo etcd                    holds a component (SIGSTOP) until 'resume demo etcd'
  kind restart demo apiserver             kills a component; the node starts it again
  kind build                              all programs into the cache, ahead of time
  kind path kubectl                       where a program lies
  kind path --name demo audit-log         where a cluster keeps something
  kind delete cluster --name demo

All state lies under WORKFLOW_DO_CACHE (default: ~/.cache/workflow-do). With a Docker daemon that
answers, the standard verbs are done by the real kind instead.
"""


def parse_duration(text: str) -> float:
    """Seconds from Go's notation: ``90s``, ``2m30s``, ``0``."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    if text == "0":
        return 0.0
    if not re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration, such as 90s or 2m30s")
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", text)
    return sum(float(number) * units[unit] for number, unit in parts)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kind",
        description="A real one-node Kubernetes without Docker, with the verbs of kind.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_standard_verbs(verbs)
    _add_own_verbs(verbs)
    return parser


def _add_standard_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    create = _nouns(verbs, "create", "make a cluster").add_parser("cluster")
    _add_name(create)
    _add_kubeconfig(create)
    create.add_argument("--image", help="accepted for kind's sake; the version is fixed here")
    create.add_argument("--config", help="accepted for kind's sake; there is one node")
    create.add_argument("--wait", type=parse_duration, default=0.0, help="bound of each wait")
    create.add_argument("--retain", action="store_true", help="keep what did not come up")
    create.add_argument("--control-plane-only", action="store_true", help="no node, no Pods")
    create.set_defaults(run=commands.create)

    delete = _nouns(verbs, "delete", "end a cluster").add_parser("cluster")
    _add_name(delete)
    _add_kubeconfig(delete)
    delete.set_defaults(run=commands.delete)

    get = _nouns(verbs, "get", "list clusters or nodes, print a kubeconfig")
    get.add_parser("clusters").set_defaults(run=commands.get_clusters)
    for noun, run in (("nodes", commands.get_nodes), ("kubeconfig", commands.get_kubeconfig)):
        parser = get.add_parser(noun)
        _add_name(parser)
        parser.set_defaults(run=run)

    export = _nouns(verbs, "export", "add a cluster to a kubeconfig").add_parser("kubeconfig")
    _add_name(export)
    _add_kubeconfig(export)
    export.set_defaults(run=commands.export)

    load = _nouns(verbs, "load", "bring images into a cluster")
    for noun, metavar, run in (
        ("docker-image", "IMAGE", commands.load_image),
        ("image-archive", "ARCHIVE", commands.load_archive),
    ):
        parser = load.add_parser(noun)
        parser.add_argument("items", nargs="+", metavar=metavar)
        _add_name(parser)
        parser.set_defaults(run=run)

    verbs.add_parser("version", help="print versions").set_defaults(run=commands.version)


def _add_own_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for verb, run, tells in (
        ("pause", commands.pause, "hold a component (SIGSTOP)"),
        ("resume", commands.resume, "let a held component go on"),
        ("restart", commands.restart, "kill a component; the node starts it again"),
    ):
        parser = verbs.add_parser(verb, help=tells)
        parser.add_argument("name")
        parser.add_argument("component", help="etcd, apiserver, controller-manager, kubelet, ...")
        parser.set_defaults(run=run)
    making = verbs.add_parser("build", help="build programs into the cache")
    making.add_argument("programs", nargs="*", help="programs, or 'busybox' for a test image")
    making.set_defaults(run=commands.make)
    path = verbs.add_parser("path", help="print where something lies")
    places = [*binaries.list_programs(), *commands.CLUSTER_PLACES]
    path.add_argument("what", help=", ".join(places))
    _add_name(path)
    path.set_defaults(run=commands.path)


def _nouns(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: str, tells: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    parser = verbs.add_parser(verb, help=tells)
    return parser.add_subparsers(dest="noun", required=True, metavar="WHAT")


def _add_name(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("KIND_CLUSTER_NAME", "kind")
    parser.add_argument(
        "-n", "--name", default=default, help="the cluster (default: KIND_CLUSTER_NAME, 'kind')"
    )


def _add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", help="the file to change (default: KUBECONFIG, ~/.kube)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. Errors that a user can cure end as a sentence."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _complete_environment()
    signal.signal(signal.SIGTERM, _interrupt)
    cache = Cache(find_cache(os.environ))
    progress = Progress()
    try:
        options = make_parser().parse_args(words)
        if _is_for_docker(cache, options):
            docker.hand_over(cache, words, progress)
        code: int = options.run(commands.Call(cache, options, progress))
    except ClusterError as error:
        progress.done(f"ERROR: {error}")
        return 1
    except OSError as error:
        progress.done(f"ERROR: {describe_os_error(error, cache.root)}")
        return 1
    except subprocess.TimeoutExpired as error:
        progress.done(f"ERROR: {error.cmd[0]} did not end within {error.timeout:.0f} s; stopped")
        return 1
    except KeyboardInterrupt:
        progress.done("ERROR: interrupted; what was begun has been undone")
        return 130
    return code


def _complete_environment() -> None:
    """Tools like pytest-kind start programs without PATH and HOME; Go wants both."""
    os.environ.setdefault("PATH", DEFAULT_PATH)
    os.environ.setdefault("HOME", str(find_home(os.environ)))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _is_for_docker(cache: Cache, options: argparse.Namespace) -> bool:
    """Standard verbs go to the real kind where Docker answers, but for clusters of our own."""
    if options.verb not in docker.STANDARD_VERBS or getattr(options, "control_plane_only", False):
        return False
    name = getattr(options, "name", None)
    if name is not None and os.geteuid() == 0 and cache.cluster(name).root.exists():
        return False
    return docker.is_chosen(os.environ)
