"""A desk with an account of each role, and clients of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from cargosight_inference.service.api.app import create_app
from cargosight_inference.service.records import accounts
from tests.made.databases import KINDS, copied_database, database_url
from tests.made.service import (
    MadeDesk,
    TestClient,
    client_of,
    fill_template,
    made_desk,
    sign_in,
    write_template,
)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords quickly: each takes a tenth of a second otherwise, and seconds on a busy machine."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: cheap)
    monkeypatch.setattr(accounts, "_nobody", lambda: cheap.hash("nobody's"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def server_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a PostgreSQL database that is copied."""
    folder = tmp_path_factory.mktemp("server")
    with database_url("postgresql", folder) as url:
        fill_template(url, folder)
        yield url


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> Iterator[MadeDesk]:
    with ExitStack() as stack:
        changes = {}
        if request.param != "sqlite":
            changes["database"] = stack.enter_context(
                copied_database(request.getfixturevalue("server_template"))
            )
        yield stack.enter_context(made_desk(tmp_path, template, **changes))


@pytest.fixture
def client(desk: MadeDesk) -> Iterator[Callable[[str], TestClient]]:
    """Give clients that somebody is signed in with, all of one application."""
    app = create_app(desk)  # type: ignore[arg-type]
    with ExitStack() as stack:

        def signed_in(name: str) -> TestClient:
            headers = sign_in(desk, name) if name else {}
            return stack.enter_context(client_of(desk, app, headers=headers))

        yield signed_in


@pytest.fixture
def nobody(client: Callable[[str], TestClient]) -> TestClient:
    """A client that nobody is signed in with."""
    return client("")
