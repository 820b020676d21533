"""The tables. Instants are microseconds since 1970 UTC: exact, comparable and the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

streams: Final = Table(
    "streams",
    METADATA,
    Column("stream_id", String(64), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("running", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    # The record as JSON, secrets sealed. What is searched for has a column of its own.
    Column("body", Text, nullable=False),
    Index("ix_streams_running", "running", "created_us"),
    Index("ix_streams_ended", "tenant", "ended_us"),
)

api_keys: Final = Table(
    "api_keys",
    METADATA,
    Column("key_id", String(64), primary_key=True),
    Column("digest", String(128), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("last4", String(4), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
)

encoder_wishes: Final = Table(
    "encoder_wishes",
    METADATA,
    Column("encoder_id", String(128), primary_key=True),
    Column("wish", String(16), nullable=False),
    Column("changed_us", BigInteger, nullable=False),
)

notes: Final = Table(
    "notes",
    METADATA,
    Column("note_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False),
    Column("subject", String(128), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_notes_subject", "subject", "note_id"),
)

failovers: Final = Table(
    "failovers",
    METADATA,
    Column("stream_id", String(64), primary_key=True),
    Column("generation", BigInteger, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    # The report as JSON.
    Column("body", Text, nullable=False),
    Index("ix_failovers_at", "at_us"),
)

input_changes: Final = Table(
    "input_changes",
    METADATA,
    Column("stream_id", String(64), primary_key=True),
    Column("at_us", BigInteger, primary_key=True),
    # The report as JSON.
    Column("body", Text, nullable=False),
    Index("ix_input_changes_at", "at_us"),
)

devices: Final = Table(
    "devices",
    METADATA,
    Column("encoder_id", String(128), primary_key=True),
    Column("added_us", BigInteger, nullable=False),
    # The entry and what the device can do, as JSON; its password is sealed.
    Column("body", Text, nullable=False),
)

alerts: Final = Table(
    "alerts",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),
    Column("started_us", BigInteger, primary_key=True),
    Column("ended_us", BigInteger),
    # Over, and nobody waits to hear of it.
    Column("settled", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_alerts_settled", "settled", "started_us"),
)

outbox: Final = Table(
    "outbox",
    METADATA,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("message_id", String(64), nullable=False, unique=True),
    Column("channel", String(64), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("dead", Boolean, nullable=False),
    Column("body", Text, nullable=False),
)

silences: Final = Table(
    "silences",
    METADATA,
    Column("silence_id", String(64), primary_key=True),
    Column("ends_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

remedy_runs: Final = Table(
    "remedy_runs",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("began_us", BigInteger, nullable=False),
    Column("is_over", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_remedy_runs_began", "began_us"),
)

remedy_breakers: Final = Table(
    "remedy_breakers",
    METADATA,
    Column("encoder_id", String(128), primary_key=True),
    Column("body", Text, nullable=False),
)

leases: Final = Table(
    "leases",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("length_us", BigInteger, nullable=False),
)


def to_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
