"""Settings of the service: one YAML file that names only what differs from the defaults."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cargosight_inference.processor import cores
from cargosight_inference.scans.readers import LEAST_PITCH_MM, MOST_PITCH_MM
from cargosight_models.errors import ConfigurationError, nearest_spelling
from cargosight_models.shipped import find_file
from cargosight_models.strict_yaml import read_yaml

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Of a lane: also the name of folders and part of addresses."""
Pitch = Annotated[float, Field(ge=LEAST_PITCH_MM, le=MOST_PITCH_MM)]
Threads = Annotated[int, Field(ge=1, le=256)]
SecondPerson = Literal["never", "clears_against_advice", "clears", "referrals", "all"]
"""Which decisions another person has to confirm."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Names of a machine that other machines cannot reach it by."""
_OF_A_SERVICE = re.compile("^lanes:", re.MULTILINE)


class _Part(BaseModel):
    """Unknown keys are refused; values never change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LaneSettings(_Part):
    """One lane: a scanner, and the people before it."""

    name: Name
    title: str = ""
    """As people read it; default: the name."""
    subject: Literal["baggage", "cargo"] = "baggage"
    model: str | None = None
    """Catalog name or path; default: the bundled one of the subject."""
    operating_point: str | None = None
    """Default: the model's own."""
    threshold: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """One for all classes, in place of an operating point."""
    policy: Path | None = None
    """Which findings refer; see ``configs/policy.yaml``."""
    golden: Path | None = None
    """A scan that a model must read before it inspects this lane; default: a sample scan of the subject."""
    golden_advice: Literal["clear", "refer"] | None = None
    """What the model must say of that scan; default: anything but ``unreadable``."""
    folder: Path | None = None
    """Watched for scans; default: ``lanes/NAME/inbox`` in the data folder."""
    watch: bool = True
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """Scans of a lane of higher priority are inspected first."""
    deadline_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 10.0
    """After this long the operator gets the picture without findings."""
    most_waiting: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    """Scans that may wait for their inspection; more are refused for a while (429)."""
    max_pixels: Annotated[int, Field(ge=1)] = 200_000_000
    air_level: Annotated[float, Field(ge=1.0)] | None = None
    polarity: Literal["air_bright", "air_dark"] | None = None
    pitch_mm: tuple[Pitch, Pitch] | None = None
    """Size of a pixel at the load, across and down."""
    correct: bool = False
    undo_seconds: Annotated[float, Field(ge=0.0, le=600.0)] = 15.0
    second_person: SecondPerson = "never"
    refer_reasons: tuple[str, ...] = (
        "The marked region needs a look",
        "Something the system did not mark",
        "Could not be penetrated",
        "Does not fit the declaration",
        "The picture cannot be read",
        "Chosen at random",
    )
    clear_reasons: tuple[str, ...] = (
        "A harmless item: seen and recognised",
        "A false alarm of the system",
        "Already inspected by hand",
        "Scanned again",
    )
    """Asked for when a scan is cleared against the advice."""

    @model_validator(mode="after")
    def _one_threshold(self) -> "LaneSettings":
        if self.threshold is not None and self.operating_point is not None:
            raise ValueError("both operating_point and threshold are given; choose one of them")
        if self.correct and self.subject != "cargo":
            raise ValueError("correct mends stripes in scans of cargo; leave it out for baggage")
        return self


class TlsSettings(_Part):
    """The service's own certificate."""

    certificate: Path
    key: Path


class ServiceSettings(_Part):
    """The whole service."""

    data: Path = Path("cargosight-data")
    """Folder of everything that is kept; made where it does not exist."""
    models_folder: Path | None = None
    """Of model files that an engineer may choose while the service runs; default: ``models`` in the data folder."""
    database: str | None = None
    """``postgresql+psycopg://user:password@host/name``; default: SQLite in the data folder."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    tls: TlsSettings | None = None
    allow_plain_http: bool = False
    """Whether to serve other machines without TLS, as behind a proxy that adds it."""
    workers: Annotated[int, Field(ge=1, le=64)] = min(64, max(1, cores() - 1))
    """Processes that inspect, besides the one that makes the pictures."""
    threads: Threads = 1
    """Of each worker's network."""
    worker_memory_mb: Annotated[int, Field(ge=1024)] | None = None
    """Address space of a worker; one that wants more gives the scan up. Both bundled models take 700 by themselves.
    Default: no limit."""
    inspection_timeout_seconds: Annotated[float, Field(ge=1.0, le=3600.0)] = 120.0
    """A worker that takes longer over one scan is ended, and the scan is unreadable at its second try."""
    max_upload_mb: Annotated[int, Field(ge=1, le=16_384)] = 512
    least_free_mb: Annotated[int, Field(ge=0)] = 256
    """Scans are refused (507) before the disk has less free than this."""
    session_hours: Annotated[float, Field(gt=0.0, le=168.0)] = 12.0
    session_idle_minutes: Annotated[float, Field(gt=0.0, le=1440.0)] = 60.0
    keep_event_days: Annotated[float, Field(gt=0.0)] = 7.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    lanes: tuple[LaneSettings, ...] = (LaneSettings(name="lane-1", title="Lane 1"),)

    @model_validator(mode="after")
    def _consistent(self) -> "ServiceSettings":
        names = [lane.name for lane in self.lanes]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"the lanes are {names}; expected at least one, each name once")
        if self.host not in LOOPBACK and self.tls is None and not self.allow_plain_http:
            raise ValueError(
                f"host is {self.host}, which other machines reach, and there is no tls: passwords would travel "
                "readable; give tls, or allow_plain_http where a proxy adds it"
            )
        return self

    def lane(self, name: str) -> LaneSettings:
        """Return a lane by name.

        Raises:
            KeyError: there is none.
        """
        for lane in self.lanes:
            if lane.name == name:
                return lane
        raise KeyError(name)

    @property
    def models(self) -> Path:
        """Folder of model files that may be chosen while the service runs; it need not exist."""
        return self.models_folder or self.data / "models"

    @property
    def database_url(self) -> str:
        """URL of the database."""
        return self.database or f"sqlite:///{self.data / 'cargosight.sqlite3'}"


def find_settings(name_or_path: str) -> Path:
    """Return the file of settings: a path, or the name of a shipped one.

    Raises:
        ConfigurationError: there is neither; the shipped names are listed.
    """
    return find_file(name_or_path, _OF_A_SERVICE)


def read_settings(path: Path | None, overrides: Mapping[str, object] | None = None) -> ServiceSettings:
    """Read the settings; the defaults when there is no file. Relative paths are taken from the working directory.

    Args:
        path: of the file, None for none.
        overrides: settings in the place of the file's.

    Raises:
        ConfigurationError: the file cannot be read, a key is unknown (the nearest spelling is named) or a value wrong.
    """
    raw = {} if path is None else read_yaml(path)
    origin = "the settings" if path is None else str(path)
    if not isinstance(raw, dict):
        what = "is empty" if raw is None else f"holds a {type(raw).__name__}"
        raise ConfigurationError(f"{origin} {what}; expected keys such as data, port and lanes")
    try:
        return ServiceSettings.model_validate({**raw, **(overrides or {})})
    except ValidationError as error:
        raise ConfigurationError(f"{origin}: {_of_lane(raw, error)}{_sentence(error)}") from error


def _of_lane(raw: Mapping[str, object], error: ValidationError) -> str:
    """Return by its name which lane an error is about; nothing where it is about none, or one without a name."""
    place, lanes = error.errors()[0]["loc"], raw.get("lanes")
    if len(place) < 2 or not isinstance(place[1], int) or not isinstance(lanes, list):
        return ""
    lane = lanes[place[1]]
    name = lane.get("name") if isinstance(lane, dict) else None
    return f"lane {name}: " if isinstance(name, str) and place[2:3] != ("name",) else ""


def _sentence(error: ValidationError) -> str:
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"]) or "the settings"
    if found["type"] == "extra_forbidden":
        parts: dict[object, type[_Part]] = {"lanes": LaneSettings, "tls": TlsSettings}
        known = parts.get(found["loc"][0], ServiceSettings).model_fields
        hint = nearest_spelling(str(found["loc"][-1]), list(known))
        return f"{place} is no setting{hint}"
    if found["type"] == "missing":
        return f"{place} is missing"
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "value_error":
        return message if not found["loc"] else f"{place}: {message}"
    shown = repr(found["input"])
    return f"{place} is {shown if len(shown) < 80 else shown[:80] + '…'}: {message[:1].lower()}{message[1:]}"
