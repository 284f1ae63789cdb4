"""What holds for every test: in CI a skipped test is a failure, and Ctrl-C works."""

from __future__ import annotations

import os
import signal

import pytest


def pytest_configure() -> None:
    """A run in the background ignores SIGINT, and its children would too: Ctrl-C is tested."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that cannot run in CI proves nothing: fail instead of passing over it."""
    if os.environ.get("CI") != "true":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped:
        reporter.write_line(f"{len(skipped)} skipped; with CI=true that is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
