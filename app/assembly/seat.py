"""What one control has for its whole life, whether it leads or stands by: its name, the store, the lease."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from app.adapters.store.sql_store import SqlStore
from app.assembly.settings import Settings, host_name
from app.domain.errors import InvalidSettings
from app.domain.secret import Secret
from app.policy.lease import LEASE_S
from app.services.leadership import Leadership

ALONE: Final = "control"
"""Holder's name of a control that has no data directory of its own."""


@dataclass(frozen=True, slots=True)
class Seat:
    store: SqlStore
    leadership: Leadership
    _keeping: asyncio.Task[None]
    _place: TextIO | None = None

    @classmethod
    async def of(cls, settings: Settings) -> Seat:
        """As `take`, under the name that belongs to the data directory, which is made when missing."""
        holder, place = _named(settings.data_dir)
        try:
            return await cls.take(
                database_url=settings.database_url,
                seal_key=settings.seal_key,
                holder=holder,
                lease_s=settings.leader_lease_s,
                place=place,
            )
        except BaseException:
            place.close()
            raise

    @classmethod
    async def take(
        cls,
        *,
        database_url: str,
        seal_key: Secret,
        holder: str = ALONE,
        lease_s: float = LEASE_S,
        place: TextIO | None = None,
    ) -> Seat:
        """Opens the store and begins to ask for the lease. `place` is closed when the seat is left.

        Raises InvalidSettings, Unavailable.
        """
        store = await SqlStore.open(database_url, seal_key=seal_key)
        leadership = Leadership(book=store, holder=holder, lease_s=lease_s)
        return cls(store, leadership, asyncio.create_task(leadership.run(), name="lease"), place)

    async def leave(self) -> None:
        """The lease is given back, so the next control need not wait."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self.leadership.resign()
        await self.store.close()
        if self._place is not None:
            self._place.close()


def _named(data_dir: Path) -> tuple[str, TextIO]:
    """The name of the control that works in `data_dir`, alike at each start, and the file that no other one can
    hold meanwhile: so the lease of that name is this control's, or that of its dead predecessor.

    Raises InvalidSettings when another control works there.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    place = open(data_dir / "control.seat", "a+", encoding="ascii", opener=_private)  # noqa: SIM115 - held for long
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        place.close()
        raise InvalidSettings(
            f"another control works in {data_dir}",
            hint="Stop it first, or give this one a data directory of its own.",
        ) from error
    place.seek(0)
    name = place.read().strip()
    if not name:
        name = secrets.token_hex(4)
        place.write(name + "\n")
        place.flush()
    return f"control-{host_name()}-{name}", place


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
