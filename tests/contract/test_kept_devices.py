"""What every store promises about devices that operators entered."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.adapters.store.sql_store import SqlStore
from app.adapters.store.tables import devices
from app.domain.device import DeviceEntry, KeptDevice
from app.domain.encoder import Capabilities, CodecProbe, EncoderKind
from app.domain.ids import EncoderId
from app.domain.secret import Secret

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ABLE = Capabilities(None, 0, 0, (), (CodecProbe("h264_helo", works=True),), 1, 125_000_000.0, "4.3.0.8")


def device(name: str, minute: int = 0) -> KeptDevice:
    at = AT + timedelta(minutes=minute)
    entry = DeviceEntry(
        EncoderId(name), EncoderKind.AJA_HELO, f"http://{name}", "Studio", at, Secret("open sesame"), rack="r1"
    )
    return KeptDevice(entry, ABLE)


async def test_devices_come_back_equal_and_in_the_order_of_their_entry(store: SqlStore) -> None:
    for each in (device("helo-b"), device("helo-a", 1)):
        await store.put_device(each)
    assert await store.devices() == (device("helo-b"), device("helo-a", 1))


async def test_a_device_that_is_entered_again_replaces_its_entry(store: SqlStore) -> None:
    await store.put_device(device("helo-a"))
    again = dataclasses.replace(device("helo-a"), entry=dataclasses.replace(device("helo-a").entry, name="Stage"))
    await store.put_device(again)
    assert await store.devices() == (again,)


async def test_a_device_is_removed_once(store: SqlStore) -> None:
    await store.put_device(device("helo-a"))
    assert await store.remove_device(EncoderId("helo-a"))
    assert not await store.remove_device(EncoderId("helo-a"))
    assert await store.devices() == ()


async def test_passwords_lie_sealed_and_one_that_does_not_open_keeps_no_other_device_away(store: SqlStore) -> None:
    for name in ("helo-a", "helo-b"):
        await store.put_device(device(name))
    bodies = {row.encoder_id: row.body for row in await store._rows(select(devices))}
    assert not any("sesame" in body for body in bodies.values())
    swapped = devices.update().where(devices.c.encoder_id == "helo-a").values(body=bodies["helo-b"])
    await store._write(lambda connection: connection.execute(swapped))
    assert [each.entry.encoder_id for each in await store.devices()] == ["helo-b"]
