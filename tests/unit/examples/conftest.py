"""The services of the onboarding example, each started once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from onboarding_support import (
    STOP_LIMIT_SECONDS,
    Programs,
    Service,
    database_folder,
    database_settings,
    free_port,
    start_database,
    start_service,
)


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, str]]:
    """A PostgreSQL of the example's own making; the DATABASE_* settings that reach it."""
    with database_folder() as folder:
        service = start_database(folder)
        yield database_settings(service)
        assert service.stop() < STOP_LIMIT_SECONDS


@pytest.fixture(scope="session")
def crm() -> Iterator[Service]:
    service = start_service("crm", PORT=str(free_port()))
    yield service
    assert service.stop() < 1


@pytest.fixture(scope="session")
def mail() -> Iterator[Service]:
    service = start_service("mail", PORT=str(free_port()), SMTP_PORT=str(free_port()))
    yield service
    assert service.stop() < 1


@pytest.fixture(scope="session")
def ops() -> Iterator[Service]:
    service = start_service("ops", PORT=str(free_port()))
    yield service
    assert service.stop() < 1


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)
