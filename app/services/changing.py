"""Changes a running stream: what is wanted, and what can be had in place; pictures are `picture.py`'s."""

from __future__ import annotations

from dataclasses import replace

import structlog

from app.domain.device_feed import DeviceFeed
from app.domain.errors import Conflict, InvalidRequest, ManagerError
from app.domain.failover import DecidedBy
from app.domain.ids import EncoderId
from app.domain.ladder import Ladder, Rendition
from app.domain.session import Advice, ChangeOutcome, StreamChange, StreamRecord, StreamRequest
from app.domain.stream import Destination, EncodeSettings, StreamMode
from app.policy.stream_rules import MIN_RENDITION_BPS
from app.services.device_change import DeviceChange
from app.services.gateways import Gateways
from app.services.live_streams import LiveStream, LiveStreams
from app.services.opening import new_destinations
from app.services.picture import Picture
from app.services.plans import renewed
from app.services.stream_validator import StreamValidator

NONE = "none"
IN_PLACE = "in_place"
PLANNED_SWITCH = "planned_switch"

log = structlog.get_logger()


class Changing:
    def __init__(
        self,
        *,
        validator: StreamValidator,
        streams: LiveStreams,
        gateways: Gateways,
        picture: Picture,
        devices: DeviceChange,
    ) -> None:
        self._validator = validator
        self._streams = streams
        self._gateways = gateways
        self._picture = picture
        self._devices = devices

    async def change(self, stream: LiveStream, change: StreamChange) -> ChangeOutcome:
        """Durable when it returns. Raises InvalidRequest, Unavailable, what the gateway or the encoder answered, or
        Conflict: the stream has ended, nobody encodes it now, another change is under way, or nobody has room for
        the new picture."""
        if stream.editing.locked():
            raise Conflict("another change of this stream is under way", hint="Try again when it is done.")
        async with stream.editing:
            fed = stream.record.feed if stream.record.mode is StreamMode.PASSTHROUGH else None
            if fed is not None and _touches_picture(change):
                outcome = await self._changed_on_devices(stream, change, fed)
            else:
                outcome = await self._changed(stream, change)
            if _touches_picture(change):
                # It is what is asked for from now on, whatever was taken back before.
                stream.record, stream.quality = replace(stream.record, asked=None), None
            # A new picture does not wait for a store that is away; who is told that it is there does.
            await self._streams.settle(stream)
            return replace(outcome, record=stream.record)

    async def adjust(self, stream: LiveStream, ladder: Ladder, *, asked: Ladder) -> None:
        """Quality control's: another ladder than the one that was asked for, which is remembered, or that again.

        Never with a pause: nobody asked for it. Raises what `change` does.
        """
        if stream.editing.locked():
            raise Conflict("another change of this stream is under way")
        async with stream.editing:
            async with stream.lock:
                if stream.ended or stream.record.encode is None:
                    raise Conflict("the stream has no picture of ours any more")
                encode = replace(stream.record.encode, ladder=ladder)
                # First: whoever comes after a crash must know what was asked for.
                stream.record = replace(stream.record, asked=asked)
                self._gateways.demand(stream.record.gateway_id)
            try:
                if not await self._rates_in_place_of(stream, encode):
                    if not stream.runs_standby:
                        raise Conflict("another picture would make a pause: the stream has no backup that runs")
                    await self._picture.switch_to(stream, encode, by=DecidedBy.CONTROL)
            finally:
                if stream.record.ladder == asked:
                    stream.record = replace(stream.record, asked=None)
                self._streams.save_later(stream)

    async def _rates_in_place_of(self, stream: LiveStream, encode: EncodeSettings) -> bool:
        async with stream.lock:
            return await self._rates_in_place(stream, encode)

    async def _changed_on_devices(self, stream: LiveStream, change: StreamChange, fed: DeviceFeed) -> ChangeOutcome:
        if change.encoder_id is not None:
            raise InvalidRequest("a picture and an encoder are changed one after the other")
        old = fed.picture
        asked = replace(
            _request(stream.record, change),
            width=change.width or old.width,
            height=change.height or old.height,
            bitrate_bps=change.bitrate_bps or old.video_bps,
            fps=change.fps or old.fps,
        )
        _, advice = self._validator.demand(asked)
        picture = replace(old, width=asked.width, height=asked.height, video_bps=asked.bitrate_bps, fps=asked.fps)
        rest = replace(change, bitrate_bps=None, width=None, height=None, fps=None)
        outcome = await self._changed(stream, rest)
        if picture == old:
            return outcome
        self._gateways.demand(stream.record.gateway_id)
        if not await self._devices.change(stream, picture):
            cut = "there is no second device: the picture stood still while the only one was set anew"
            advice = replace(advice, warnings=(*advice.warnings, cut))
        return ChangeOutcome(stream.record, PLANNED_SWITCH, advice)

    async def _changed(self, stream: LiveStream, change: StreamChange) -> ChangeOutcome:
        async with stream.lock:
            if stream.ended:
                raise Conflict("the stream has ended")
            wanted, advice = self._wanted(stream.record, change)
            onto = _elsewhere(stream, change.encoder_id)
            if wanted == stream.record and onto is None:
                return ChangeOutcome(wanted, NONE, advice)
            if replace(wanted, ladder=stream.record.ladder, encode=stream.record.encode) != stream.record:
                await self._in_place(stream, wanted)
            if wanted.encode is None or (wanted.encode == stream.record.encode and onto is None):
                return ChangeOutcome(stream.record, IN_PLACE, advice)
            self._gateways.demand(stream.record.gateway_id)
            if onto is None and await self._rates_in_place(stream, wanted.encode):
                return ChangeOutcome(stream.record, IN_PLACE, advice)
        await self._picture.switch_to(stream, wanted.encode, onto)
        return ChangeOutcome(stream.record, PLANNED_SWITCH, advice)

    async def _in_place(self, stream: LiveStream, wanted: StreamRecord) -> None:
        """Everything but the picture."""

        def changed(now: StreamRecord) -> StreamRecord:
            return renewed(
                replace(
                    now,
                    destinations=wanted.destinations,
                    record=wanted.record,
                    auto_quality=wanted.auto_quality,
                )
            )

        await self._streams.save(stream, changed)
        await self._gateways.apply(stream.record)

    async def _rates_in_place(self, stream: LiveStream, encode: EncodeSettings) -> bool:
        if not _differ_in_rates_only(stream.record.ladder, encode.ladder):
            return False
        try:
            await self._picture.reconfigure(stream, encode)
        except ManagerError as error:
            log.info("rates not changed in place", stream_id=stream.id, reason=error.detail)
            return False
        return True

    def _wanted(self, record: StreamRecord, change: StreamChange) -> tuple[StreamRecord, Advice]:
        destinations = record.destinations
        if change.destinations is not None:
            destinations = _kept(record.destinations, change.destinations)
        wanted = replace(
            record,
            destinations=destinations,
            record=record.record if change.record is None else change.record,
            auto_quality=record.auto_quality if change.auto_quality is None else change.auto_quality,
        )
        if not _touches_picture(change):
            # The URLs still have to be judged.
            _, advice = self._validator.demand(_request(record, StreamChange(destinations=change.destinations)))
            return wanted, Advice(recommendations=advice.recommendations)
        if record.encode is None:
            raise InvalidRequest("a stream that is passed through has no picture of its own to change")
        ladder, advice = self._validator.demand(
            replace(_request(_as_asked(record), change), renditions=_scaled(_as_asked(record), change))
        )
        return replace(wanted, ladder=ladder, encode=replace(record.encode, ladder=ladder)), advice


def _as_asked(record: StreamRecord) -> StreamRecord:
    """As it would be had no quality been taken back."""
    return record if record.asked is None else replace(record, ladder=record.asked)


def _elsewhere(stream: LiveStream, encoder_id: EncoderId | None) -> EncoderId | None:
    """The encoder that is asked for, when it is another one than works now. Raises InvalidRequest."""
    if encoder_id is None:
        return None
    if stream.record.encode is None:
        raise InvalidRequest("a stream that is passed through needs no encoder")
    return None if stream.active is not None and stream.active.encoder_id == encoder_id else encoder_id


def _differ_in_rates_only(one: Ladder, other: Ladder) -> bool:
    def but_rates(ladder: Ladder) -> Ladder:
        return replace(ladder, renditions=tuple(replace(r, video_bps=0) for r in ladder.renditions))

    return but_rates(one) == but_rates(other)


def _touches_picture(change: StreamChange) -> bool:
    return any(value is not None for value in (change.bitrate_bps, change.width, change.height, change.fps))


def _scaled(record: StreamRecord, change: StreamChange) -> tuple[Rendition, ...] | None:
    """The ladder as it is at another rate; None, a new default ladder, when size or frame rate change."""
    renditions = record.ladder.renditions
    if change.bitrate_bps is None or not renditions or (change.width, change.height, change.fps) != (None,) * 3:
        return None
    wanted, top = change.bitrate_bps, renditions[0].video_bps
    # In whole numbers: the highest one is to get exactly what was asked for.
    return tuple(replace(r, video_bps=max(MIN_RENDITION_BPS, r.video_bps * wanted // top)) for r in renditions)


def _kept(old: tuple[Destination, ...], urls: tuple[str, ...]) -> tuple[Destination, ...]:
    """A destination that stays keeps its id, so that its connection is not touched."""
    by_url = {destination.url.reveal(): destination for destination in old}
    return tuple(by_url.get(url) or new_destinations((url,))[0] for url in urls)


def _request(record: StreamRecord, change: StreamChange) -> StreamRequest:
    """What was asked for, as far as the record still tells it, with the change in it."""
    top: Rendition | None = record.ladder.renditions[0] if record.ladder.renditions else None
    encode = record.encode
    return StreamRequest(
        width=change.width or (1920 if top is None else top.width),
        height=change.height or (1080 if top is None else top.height),
        bitrate_bps=change.bitrate_bps or _rate_in_bounds(top),
        fps=change.fps or (30.0 if top is None else top.frame_rate.fps),
        mode=StreamMode.TRANSCODE if encode is not None else StreamMode.PASSTHROUGH,
        audio=record.ladder.audio.mode,
        preset="veryfast" if encode is None else encode.preset,
        codec="auto" if encode is None else encode.codec,
        destinations=tuple(d.url.reveal() for d in record.destinations)
        if change.destinations is None
        else change.destinations,
        keyframe_interval_ms=record.timing.keyframe_interval_ms,
        segment_ms=record.timing.segment_ms,
        reconnect_window_s=record.timing.reconnect_window_s,
    )


def _rate_in_bounds(top: Rendition | None) -> int:
    """A ladder of the caller's own may lie below the least rate of a request; that is no fault of this change."""
    return 5_000_000 if top is None else max(1_000_000, top.video_bps)
