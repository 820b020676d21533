"""What outlives a restart of control: streams, API keys, operators' wishes, devices, reports of failovers, and a
bounded log of what was decided.

Media never waits for the store, and no call of it is on the road of a packet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from app.domain.access import ApiKey
from app.domain.device import KeptDevice
from app.domain.failover import SwitchReport
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, KeyId, StreamId
from app.domain.note import Note
from app.domain.session import StreamRecord


class Store(Protocol):
    """Every call raises Unavailable while the database is away. A write that returned is durable.

    Destination URLs are sealed at rest; what comes back is open again.
    """

    async def put_stream(self, record: StreamRecord, note: Note | None = None) -> None:
        """Insert or replace, in one transaction with the note.

        Raises Conflict when the store holds a newer revision of the stream.
        """

    async def stream(self, stream_id: StreamId) -> StreamRecord | None: ...

    async def running_streams(self) -> tuple[StreamRecord, ...]:
        """All that have not ended, oldest first. One that cannot be read is told in the log, left out, and kept."""

    async def running_ids(self) -> frozenset[StreamId]:
        """Of all that have not ended, those too that cannot be read."""

    async def ended_streams(self, tenant: str | None, *, limit: int = 100) -> tuple[StreamRecord, ...]:
        """The last ones to end, newest first; of every tenant for None."""

    async def add_failover(self, report: SwitchReport) -> bool:
        """False when a report of this name is there already: the first one stays.

        The last 1,000 of a stream are kept, as long as the stream is.
        """

    async def failovers(self, stream_id: StreamId | None, *, limit: int = 100) -> tuple[SwitchReport, ...]:
        """Newest first; of every stream for None."""

    async def put_device(self, device: KeptDevice) -> None:
        """Insert or replace. Its password is sealed at rest."""

    async def remove_device(self, encoder_id: EncoderId) -> bool:
        """False when there is no such device."""

    async def devices(self) -> tuple[KeptDevice, ...]:
        """The oldest entry first. One that cannot be read is told in the log, left out, and kept."""

    async def add_key(self, key: ApiKey) -> None:
        """Raises Conflict when the id or the digest is there already."""

    async def key_by_digest(self, digest: str) -> ApiKey | None: ...

    async def keys(self) -> tuple[ApiKey, ...]:
        """Oldest first, revoked and expired ones too."""

    async def revoke_key(self, key_id: KeyId, at: datetime) -> bool:
        """False when there is no such key; the first revocation's time stays."""

    async def wishes(self) -> dict[EncoderId, OperatorWish]: ...

    async def put_wish(self, encoder_id: EncoderId, wish: OperatorWish, at: datetime) -> None: ...

    async def add_note(self, note: Note) -> None: ...

    async def notes(self, subject: str | None = None, *, limit: int = 100) -> tuple[Note, ...]:
        """Newest first."""

    async def ping(self) -> None:
        """Returns when the database answers."""

    async def close(self) -> None: ...
