"""The tables of the service, the same in SQLite and PostgreSQL.

Times are text in UTC, `2026-11-29T08:15:30.123456Z`: always 27 characters, so that their order as text is that in
time, and the audit chain hashes the same text in either database. JSON is kept as text for the same reason. Ids are
never given twice (`sqlite_autoincrement`), so that an old link or event never points at something else.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


def _time(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String(27), nullable=nullable)


ACCOUNTS = Table(
    "account",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    _time("created_at"),
    sqlite_autoincrement=True,
)

ACCOUNT_LANES = Table(
    "account_lane",
    METADATA,
    Column("account_id", Integer, ForeignKey("account.id"), primary_key=True),
    Column("lane", String(64), primary_key=True),
)

SESSIONS = Table(
    "session",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    _time("created_at"),
    _time("seen_at"),
    _time("expires_at"),
)

TOKENS = Table(
    "machine_token",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("scope", String(16), nullable=False),
    Column("lane", String(64)),
    _time("created_at"),
    _time("expires_at"),
    _time("revoked_at", nullable=True),
    sqlite_autoincrement=True,
)

LANES = Table(
    "lane",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("engine", Text, nullable=False),
    _time("changed_at"),
)
"""The engines that were set while the service ran; a lane without a row has that of the settings."""

SCANS = Table(
    "scan",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("lane", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("number", String(64)),
    Column("heading", String(64)),
    Column("size", Integer, nullable=False),
    Column("stored", String(255), nullable=False),
    Column("source", String(16), nullable=False),
    Column("received_by", String(80), nullable=False),
    _time("received_at"),
    Column("state", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("to_inspect", Boolean, nullable=False),
    Column("overdue", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("has_picture", Boolean, nullable=False),
    Column("picture_problem", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("kind", String(16)),
    Column("brightest", Float),
    Column("air_level", Float),
    _time("shown_at", nullable=True),
    Column("inspection_id", Integer),
    Column("decision_id", Integer),
    UniqueConstraint("lane", "sha256"),
    Index(None, "to_inspect", "priority", "id"),
    Index(None, "lane", "state", "id"),
    Index(None, "number"),
    Index(None, "received_at"),
    sqlite_autoincrement=True,
)

INSPECTIONS = Table(
    "inspection",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("scan_id", Integer, ForeignKey("scan.id"), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("operating_point", String(255), nullable=False),
    Column("model", String(64), nullable=False),
    Column("precision", String(16), nullable=False),
    Column("advice", String(16), nullable=False),
    Column("score", Float),
    Column("label", String(64)),
    Column("late", Boolean, nullable=False),
    _time("created_at"),
    Column("seconds_from_arrival", Float, nullable=False),
    Column("maps", String(255)),
    Column("result", Text, nullable=False),
    UniqueConstraint("scan_id", "fingerprint", "operating_point"),
    sqlite_autoincrement=True,
)

FINDINGS = Table(
    "finding",
    METADATA,
    Column("inspection_id", Integer, ForeignKey("inspection.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("label", String(64), nullable=False),
    Column("score", Float, nullable=False),
    Index(None, "label", "score"),
)

DECISIONS = Table(
    "decision",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("scan_id", Integer, ForeignKey("scan.id"), nullable=False, index=True),
    Column("inspection_id", Integer),
    Column("kind", String(16), nullable=False),
    Column("decision", String(16)),
    Column("reason", String(255), nullable=False),
    Column("note", Text, nullable=False),
    Column("seconds", Float),
    Column("made_by", String(64), nullable=False),
    _time("made_at"),
    Column("reverses", Integer),
    Column("request_id", String(64), nullable=False, unique=True),
    Index(None, "made_at"),
    sqlite_autoincrement=True,
)

MARKS = Table(
    "mark",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("scan_id", Integer, ForeignKey("scan.id"), nullable=False, index=True),
    Column("inspection_id", Integer),
    Column("finding", Integer),
    Column("verdict", String(16), nullable=False),
    Column("label", String(64), nullable=False),
    Column("box", Text),
    Column("note", Text, nullable=False),
    Column("made_by", String(64), nullable=False),
    _time("made_at"),
    Column("request_id", String(64), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

SECONDARY = Table(
    "secondary",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("scan_id", Integer, ForeignKey("scan.id"), nullable=False, index=True),
    Column("found", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("made_by", String(64), nullable=False),
    _time("made_at"),
    Column("request_id", String(64), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

EVENTS = Table(
    "event",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("lane", String(64)),
    Column("kind", String(32), nullable=False),
    Column("data", Text, nullable=False),
    _time("at"),
    sqlite_autoincrement=True,
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _time("at"),
    Column("actor", String(80), nullable=False),
    Column("action", String(32), nullable=False),
    Column("lane", String(64)),
    Column("scan_id", Integer, index=True),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
