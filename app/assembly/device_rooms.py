"""The rooms of hardware encoders, put together: who is entered, who is watched, what they feed."""

from __future__ import annotations

from dataclasses import dataclass

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.adapters.encoders.no_workers import NoWorkers
from app.adapters.encoders.shown_certificate import shown_certificate
from app.adapters.store.sql_store import SqlStore
from app.domain.events import Event
from app.monitoring.device_watch import DeviceWatch
from app.policy.heat_turn import HeatTurn
from app.runtime.bus import Bus
from app.runtime.tasks import TaskGroupKeeper
from app.services.device_change import DeviceChange
from app.services.device_deeds import DeviceDeeds
from app.services.device_heat import DeviceHeat, Warmth
from app.services.device_load import DeviceLoad
from app.services.device_places import DevicePlaces
from app.services.device_streams import DeviceStreams
from app.services.devices import Devices
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.ledger import Ledger
from app.services.live_streams import LiveStreams
from app.services.load_balancer import LoadBalancer


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRooms:
    devices: Devices
    watch: DeviceWatch
    feeds: DeviceStreams
    change: DeviceChange
    load: DeviceLoad


def device_rooms(
    *,
    store: SqlStore,
    fleet: Fleet,
    ledger: Ledger,
    streams: LiveStreams,
    gateways: Gateways,
    balancer: LoadBalancer,
    warmth: Warmth,
    turn: HeatTurn,
    bus: Bus[Event],
    keeper: TaskGroupKeeper,
) -> DeviceRooms:
    """Nothing acts yet."""
    cache = DescriptorCache()
    watch = DeviceWatch(on_reading=lambda encoder_id, reading: devices.answered(encoder_id, reading), bus=bus)
    devices = Devices(
        store=store,
        fleet=fleet,
        ledger=ledger,
        driver_for=lambda entry: HeloDriver(entry, cache=cache),
        fingerprint_of=shown_certificate,
        no_workers=NoWorkers,
        watch=watch,
    )
    bus.listen(devices.hear)
    places = DevicePlaces(streams=streams, fleet=fleet, gateways=gateways, balancer=balancer)
    deeds = DeviceDeeds(devices=devices, ledger=ledger, keeper=keeper)
    feeds = DeviceStreams(
        streams=streams,
        devices=devices,
        places=places,
        deeds=deeds,
        heat=DeviceHeat(warmth=warmth, turn=turn, places=places, bus=bus),
        fleet=fleet,
        gateways=gateways,
        bus=bus,
        keeper=keeper,
    )
    change = DeviceChange(places=places, deeds=deeds, gateways=gateways, keeper=keeper)
    load = DeviceLoad(streams=streams, places=places, mover=feeds)
    return DeviceRooms(devices=devices, watch=watch, feeds=feeds, change=change, load=load)
