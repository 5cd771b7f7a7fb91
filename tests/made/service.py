"""A desk for tests of the web server: real records, storage and reception, and no process that inspects anything."""

import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from argon2 import PasswordHasher
from sqlalchemy import event, insert

from cargosight_inference.scans.scan import Scan
from cargosight_inference.service.accepting import LaneLimits, Reception
from cargosight_inference.service.api.app import create_app
from cargosight_inference.service.api.server import Server, bound
from cargosight_inference.service.bus import Bus
from cargosight_inference.service.database.engine import Database, now
from cargosight_inference.service.database.migrate import migrate
from cargosight_inference.service.database.tables import ACCOUNT_LANES, ACCOUNTS
from cargosight_inference.service.metrics import Metrics
from cargosight_inference.service.pictures import write_picture
from cargosight_inference.service.records import accounts, audit, inspections, scans, tokens
from cargosight_inference.service.records.scans import ScanRecords
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from cargosight_inference.service.storage import Storage
from cargosight_inference.service.viewers import Viewers
from cargosight_models.errors import EngineError
from tests.made.records import EARLY, FINGERPRINT, new_scan, result

with warnings.catch_warnings():  # newer versions would rather have another client library
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

PASSWORD = "a calm river 7"
PEOPLE: dict[str, tuple[accounts.Role, tuple[str, ...]]] = {
    "olga": ("operator", ("lane-1",)),
    "otto": ("operator", ("lane-2",)),
    "oskar": ("operator", ("lane-1",)),
    "sam": ("supervisor", ("lane-1",)),
    "eva": ("engineer", ()),
    "ada": ("administrator", ()),
}
LANES = (
    LaneSettings(name="lane-1", title="Belt 1", watch=False),
    LaneSettings(name="lane-2", subject="cargo", watch=False, second_person="all"),
)


class MadeDesk:
    """What the web server needs of a desk."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.settings = ServiceSettings(
            **{"data": folder / "data", "lanes": LANES, "least_free_mb": 0, "max_upload_mb": 1, **changes}
        )
        self.database = Database(self.settings.database_url)
        if (
            self.database.is_sqlite
        ):  # nobody pulls the plug here, and waiting for the disk is most of a test's time
            event.listen(self.database.engine, "connect", _wait_for_no_disk)
        self.storage = Storage(self.settings.data, least_free_mb=self.settings.least_free_mb)
        self.register = ScanRecords(self.database, self.settings)
        self.metrics = Metrics()
        self.bus = Bus()
        self.viewers = Viewers()
        self.first_password: str | None = None
        self.reception = Reception(self.storage, self.register, tally=self.metrics)
        self.not_ready: list[str] = []
        self.removed_lanes: tuple[str, ...] = ()
        self.noticed: list[str] = []
        self.asked_again: list[int] = []
        self.engines: dict[str, str] = {}

    def close(self) -> None:
        self.database.close()

    def limits(self, lane: str) -> LaneLimits:
        most = self.settings.lane(lane).most_waiting
        return LaneLimits(most_bytes=self.settings.max_upload_mb << 20, most_waiting=most)

    def lane_model(self, lane: str) -> dict[str, Any]:
        return {
            "ready": True,
            "problem": None,
            "model": self.engines.get(lane, "blobs"),
            "fingerprint": FINGERPRINT,
            "operating_point": "pfa=0.05",
            "thresholds": {"dark": 0.5, "blue": 0.5},
            "precision": "fp32",
            "classes": ["dark", "blue"],
        }

    def inspecting(self, lane: str) -> int:
        return 0

    def change_engine(
        self, lane: str, *, model: str | None, operating_point: str | None, threshold: float | None, by: str
    ) -> dict[str, Any]:
        if model == "broken":
            raise EngineError("the model broken gives two answers to one scan; the one before goes on")
        self.engines[lane] = model or "blobs"
        with self.database.writing() as connection:
            audit.append(connection, actor=by, action="model.change", lane=lane)
        return self.lane_model(lane)

    def inspect_again(self, scan: int) -> None:
        self.asked_again.append(scan)

    def overlay(self, scan: int) -> bytes:
        return b"\x89PNG\r\n\x1a\n"

    def picture_folder(self, scan: int) -> Path:
        return self.settings.data / "pictures" / str(scan)

    def maps_path(self, relative: str) -> Path:
        return self.settings.data / relative

    def render_metrics(self) -> bytes:
        return self.metrics.render()

    def problems(self) -> list[str]:
        return self.not_ready

    def warnings(self) -> list[str]:
        return [f"the lane {name} is in the settings no more" for name in self.removed_lanes] + self.noticed


def _wait_for_no_disk(connection: Any, _entry: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


def write_template(folder: Path) -> Path:
    """Write a database with an account for each role; a password's hash is a cheap one."""
    path = folder / "cargosight.sqlite3"
    fill_template(f"sqlite:///{path}", folder)
    return path


def fill_template(url: str, folder: Path) -> None:
    """Migrate a new database and give it the accounts."""
    database = Database(url)
    migrate(database, folder / "backups")
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with database.writing() as connection:
        for name, (role, lanes) in PEOPLE.items():
            values = {"name": name, "role": role, "password_hash": cheap}
            fresh = {"must_change_password": False, "disabled": False, "created_at": now()}
            added = insert(ACCOUNTS).values(**values, **fresh).returning(ACCOUNTS.c.id)
            number = connection.execute(added).scalar_one()
            for lane in lanes:
                connection.execute(insert(ACCOUNT_LANES).values(account_id=number, lane=lane))
    database.close()


@contextmanager
def made_desk(folder: Path, template: Path, **changes: Any) -> Iterator[MadeDesk]:
    """Give a desk with a copy of the template's database, or with the `database` that is given."""
    (folder / "data").mkdir()
    if "database" not in changes:
        shutil.copyfile(template, folder / "data" / "cargosight.sqlite3")
    desk = MadeDesk(folder, **changes)
    try:
        yield desk
    finally:
        desk.close()


def client_of(desk: MadeDesk, app: Any = None, **options: Any) -> TestClient:
    """Return a client that nobody is signed in with."""
    return TestClient(app or create_app(desk), base_url="http://127.0.0.1", **options)  # type: ignore[arg-type]


def sign_in(desk: MadeDesk, name: str) -> dict[str, str]:
    """Begin a session, and return the headers that a browser would send."""
    with desk.database.writing() as connection:
        account = accounts.named(connection, name)
        secret, csrf = accounts.sign_in(connection, account, datetime.now(UTC), 1.0)
    return {"Cookie": f"cargosight_session={secret}", "X-CSRF-Token": csrf}


def token(desk: MadeDesk, scope: tokens.Scope, lane: str | None = None) -> dict[str, str]:
    """Make a machine token, and return the header that its machine would send."""
    with desk.database.writing() as connection:
        _, secret = tokens.create(connection, "belt", scope, lane, 1.0, by="ada", moment=datetime.now(UTC))
    return {"Authorization": f"Bearer {secret}"}


def scan_of(
    desk: MadeDesk,
    name: str = "bag.png",
    *findings: tuple[str, float],
    lane: str = "lane-1",
    picture: bool = False,
    maps: bool = False,
    below: tuple[tuple[str, float], ...] | None = None,
    **changes: Any,
) -> int:
    """Record a scan and its inspection, and return its id."""
    scan, _ = ScanRecords(desk.database, desk.settings).add(new_scan(name, lane=lane, **changes))
    if picture:
        pixels = np.arange(600 * 700, dtype=np.float32).reshape(600, 700, 1) / (600 * 700)
        held = Scan.in_memory(pixels, kind="transmission", subject="baggage")
        scans.picture_made(desk.database, scan, write_picture(held, desk.picture_folder(scan)))
    found = result(*findings, below=below)
    stored = None
    if maps:
        stored = f"maps/{scan}.npz"
        desk.maps_path(stored).parent.mkdir(exist_ok=True)
        np.savez(desk.maps_path(stored), anomaly=np.full((3, 4), 7, dtype=np.uint8))
        found["maps"] = {"anomaly": [3, 4, 16]}
    inspections.record(desk.database, scan, found, maps=stored, moment=EARLY)
    return scan


@contextmanager
def serving(desk: MadeDesk, app: Any = None) -> Iterator[tuple[int, Server]]:
    """Serve a desk on a free port in a thread; yields the port and the server, which has ended after the block."""
    listening = bound("127.0.0.1", 0)
    said: list[str] = []
    server = Server(app or create_app(desk), desk, said.append)  # type: ignore[arg-type]
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="server")
    thread.start()
    try:
        end = time.monotonic() + 30.0
        while not said:
            assert thread.is_alive() and time.monotonic() < end, "the server does not start"
            time.sleep(0.01)
        yield listening.getsockname()[1], server
    finally:
        server.should_exit = True
        thread.join(15.0)
        assert not thread.is_alive(), "the server does not end"
