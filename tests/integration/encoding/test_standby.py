"""A real worker child as a standby: proves itself, keeps silent, speaks when it is told to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiortmp import MediaMessage, MessageType, amf0, flv
from app.domain.ladder import Ladder
from app.domain.stream import EncodeSettings
from app.media.encoding.packets import SourceItem, VideoConfig, VideoPacket
from app.media.encoding.talk import ExitCode
from tests.integration.encoding.gate import Gate, until
from tests.integration.encoding.test_worker import Exits, start
from tests.unit.media.encoding.clips import (
    clip,
    from_key_at_or_before,
    settings,
    shifted,
    small,
    until_ms,
    video_of,
)

TRACKS = ("big", "small")


def header_and_key(items: tuple[SourceItem, ...]) -> list[SourceItem]:
    """What the gateway shows a standby of the source."""
    config = next(item for item in items if isinstance(item, VideoConfig))
    key = next(item for item in items if isinstance(item, VideoPacket) and item.is_key)
    return [config, key]


async def test_a_warm_standby_proves_itself_with_the_source_and_keeps_silent(gate: Gate) -> None:
    child = await start(gate, Exits())
    gate.say("onStandby", grade="warm")
    gate.send(header_and_key(clip(small(b_frames=2))))
    await until(lambda: gate.ready, "the proof")
    for track in TRACKS:
        assert len(gate.headers(track)) == 1
        assert gate.times(track) == []
    await child.stop("test ends")


async def test_a_standby_without_a_source_proves_itself_with_a_picture_of_its_own_and_then_with_the_source(
    gate: Gate,
) -> None:
    child = await start(gate, Exits())
    gate.say("onStandby", grade="warm")
    await until(lambda: gate.ready, "the proof without a source")
    assert [len(gate.headers(track)) for track in TRACKS] == [1, 1]
    gate.send(header_and_key(clip(small())))
    await until(lambda: gate.ready == 2, "the proof with the source")
    assert [len(gate.headers(track)) for track in TRACKS] == [2, 2]
    await child.stop("test ends")


async def test_a_standby_of_a_programme_without_a_picture_is_ready_on_its_sound(gate: Gate) -> None:
    child = await start(gate, Exits(), plan=EncodeSettings(Ladder(()), 1_000))
    gate.say("onStandby", grade="warm")
    await until(lambda: gate.ready, "the proof")
    assert gate.tracks.keys() == {"audio"}
    await child.stop("test ends")


async def test_each_new_header_of_the_source_is_proved(gate: Gate) -> None:
    child = await start(gate, Exits())
    gate.say("onStandby", grade="warm")
    first, second = header_and_key(clip(small())), header_and_key(clip(small(width=640, height=360)))
    gate.send([*first, *first])
    await until(lambda: gate.ready, "the first proof")
    gate.send(second)
    await until(lambda: gate.ready == 2, "the proof of the new header")
    await child.stop("test ends")


async def test_a_source_that_can_t_be_decoded_proves_nothing_and_is_told(gate: Gate) -> None:
    problems: list[str] = []
    child = await start(gate, Exits(), on_problem=lambda _, text: problems.append(text))
    config, key = header_and_key(clip(small()))
    gate.say("onStandby", grade="warm")
    assert isinstance(key, VideoPacket)
    gate.send([config, VideoPacket(key.dts_ms, key.pts_ms, b"\xff" * 40, True)])
    await until(lambda: problems, "the problem")
    assert "not proved" in problems[0]
    assert gate.ready == 0
    await child.stop("test ends")


async def test_a_standby_that_can_t_encode_ends_with_the_reason(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits, plan=replace(settings(), codec="h264_nvenc"))
    gate.say("onStandby", grade="warm")
    await until(lambda: exits.seen, "the worker to give up")
    assert exits.seen[0][0] == ExitCode.FAILED
    assert "h264_nvenc" in exits.seen[0][1]
    assert gate.ready == 0


async def test_the_parameter_sets_of_a_proof_are_those_of_the_programme(gate: Gate) -> None:
    child = await start(gate, Exits())
    items = clip(small(width=640, height=360))
    gate.say("onStandby", grade="warm")
    gate.send(header_and_key(items))
    await until(lambda: gate.ready, "the proof")
    gate.start_feed()
    gate.send(items)
    await until(lambda: all(gate.times(track) for track in TRACKS), "the programme")
    for track in TRACKS:
        proved, spoken = gate.headers(track)
        assert proved == spoken
    await child.stop("test ends")


async def test_a_standby_that_is_fed_goes_on_exactly_after_the_last_frame(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small(b_frames=2))
    gate.say("onStandby", grade="warm")
    gate.send(header_and_key(items))
    await until(lambda: gate.ready, "the proof")
    last = sorted(packet.pts_ms for packet in video_of(items))[47]
    gate.start_feed({"big": last, "small": last, "audio": 1_500})
    gate.send(from_key_at_or_before(items, last))
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert exits.seen[0][0] == ExitCode.DONE
    for track in TRACKS:
        assert min(gate.times(track)) > last
        assert gate.numbers(track) == list(range(48, 90))
    assert min(gate.times("audio")) > 1_500


async def test_a_second_start_of_the_feed_begins_anew(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small())
    times = [packet.pts_ms for packet in video_of(items)]
    gate.start_feed({"big": times[9], "small": times[9], "audio": times[9]})
    gate.send(items)
    await until(lambda: all(gate.times(track) for track in TRACKS), "the first feed's programme")
    gate.start_feed({"big": times[69], "small": times[69], "audio": times[69]})
    gate.send(items)
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert exits.seen[0][0] == ExitCode.DONE
    assert [len(gate.headers(track)) for track in TRACKS] == [2, 2], "the new feed opens with its headers"
    for track in TRACKS:
        assert gate.times(track)[-20:] == times[70:]
        assert gate.numbers(track)[-20:] == list(range(70, 90))


async def test_a_hot_standby_goes_on_from_what_it_has_decoded(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small(b_frames=2))
    shown = sorted(packet.pts_ms for packet in video_of(items))
    last, place = shown[47], until_ms(items, shown[60])
    gate.say("onStandby", grade="hot")
    gate.send(items[:place])
    await until(lambda: gate.ready, "the proof")
    assert gate.times("big") == gate.times("audio") == []
    gate.say("onSpeak", start_after={"big": last, "small": last, "audio": 1_500})
    gate.send(items[place:])
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    for track in TRACKS:
        assert gate.numbers(track) == list(range(48, 90))
        assert len(set(gate.headers(track))) == 1
    assert min(gate.times("audio")) > 1_500


async def test_a_hot_standby_of_an_old_stream_keeps_to_the_grid(gate: Gate) -> None:
    """Packets carry 32 bits of the time, and the grid's lines are not the same after them."""
    exits = Exits()
    await start(gate, exits)
    began_ms = 2**33
    items = shifted(clip(small()), began_ms)
    last = [packet.pts_ms for packet in video_of(items)][47]
    after: amf0.Value = {"big": last, "small": last, "audio": last}
    gate.say("onStandby", grade="hot", start_after=after)
    place = until_ms(items, began_ms + 2_000)
    gate.send(items[:place])
    await until(lambda: gate.ready, "the proof")
    gate.say("onSpeak", start_after=after)
    gate.send(items[place:])
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert gate.numbers("big") == list(range(48, 90))
    keys = [m.timestamp + began_ms for m in gate.tracks["big"] if is_key_frame(m)]
    assert len(keys) > 1
    assert all(key % 1_000 < 34 for key in keys[1:])


def is_key_frame(message: MediaMessage) -> bool:
    tag = flv.parse_video(message.payload) if message.type is MessageType.VIDEO else None
    return tag is not None and tag.is_coded and tag.is_keyframe


async def test_a_hot_standby_that_kept_too_little_decodes_once_more(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small(b_frames=2, keyframe_s=3))
    shown = sorted(packet.pts_ms for packet in video_of(items))
    place = until_ms(items, shown[80])
    gate.say("onStandby", grade="hot")
    gate.send(items[:place])
    await until(lambda: gate.ready, "the proof")
    gate.say("onSpeak", start_after={"big": shown[9], "small": shown[9], "audio": shown[9]})
    gate.send(items[place:])
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    for track in TRACKS:
        assert gate.numbers(track) == list(range(10, 90))
    times = gate.times("audio")
    assert shown[9] < times[0] < shown[9] + 30
    assert times == sorted(set(times))


async def test_a_hot_standby_can_be_fed_anew_too(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small())
    last = [packet.pts_ms for packet in video_of(items)][9]
    gate.say("onStandby", grade="hot")
    gate.send(items)
    await until(lambda: gate.ready, "the proof")
    gate.start_feed({"big": last, "small": last, "audio": last})
    gate.send(items)
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert gate.numbers("big") == list(range(10, 90))


async def test_an_active_active_standby_encodes_along_and_says_that_it_is_ready(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small())
    last = [packet.pts_ms for packet in video_of(items)][9]
    gate.say("onStandby", grade="active-active", start_after={"big": last, "small": last, "audio": last})
    gate.send(items)
    await until(lambda: gate.ready and gate.times("big"), "the proof and the programme")
    gate.say("onSpeak", start_after={"big": last, "small": last, "audio": last})
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert gate.numbers("big") == list(range(10, 90))
    assert len(set(gate.headers("big"))) == 1


async def test_a_worker_that_is_told_to_speak_of_nothing_says_so_and_waits(gate: Gate) -> None:
    problems: list[str] = []
    child = await start(gate, Exits(), on_problem=lambda _, text: problems.append(text))
    gate.say("onStandby", grade="warm")
    gate.say("onSpeak", start_after={"big": 0})
    await until(lambda: problems, "the problem")
    await until(lambda: gate.ready, "the proof")
    await child.stop("test ends")


async def test_while_the_publisher_is_gone_the_worker_shows_a_slate_and_then_the_source_again(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small())
    gate.start_feed()
    gate.send(items)
    gate.say("onSlate", mode="last_frame", from_ms=10_000)
    await until(lambda: [t for t in gate.times("big") if t > 10_200], "pictures of the slate")
    await until(lambda: [t for t in gate.times("audio") if t > 10_200], "silence")
    gate.send(shifted(items, 20_000))
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert exits.seen[0][0] == ExitCode.DONE
    for track in ("big", "small", "audio"):
        times = gate.times(track)
        assert times == sorted(set(times))
        assert min(t for t in times if t > 4_000) == 10_000
    slate = sum(10_000 <= time < 20_000 for time in gate.times("big"))
    assert gate.numbers("big") == [*range(90), *[89] * slate, *range(90)]


async def test_a_standby_can_become_one_again(gate: Gate) -> None:
    child = await start(gate, Exits())
    items = clip(small())
    gate.start_feed()
    gate.send(items)
    await until(lambda: gate.times("big"), "the programme")
    gate.say("onStandby", grade="warm")
    gate.send(header_and_key(items))
    await until(lambda: gate.ready, "the proof")
    await child.stop("test ends")


@pytest.mark.parametrize("grade", ["warm", "hot"])
async def test_a_standby_is_stopped_like_any_worker(gate: Gate, grade: str) -> None:
    exits = Exits()
    child = await start(gate, exits)
    gate.say("onStandby", grade=grade)
    await until(lambda: gate.ready, "the proof")
    await child.stop("no longer wanted")
    assert exits.seen[0] == (ExitCode.DONE, "stopped: no longer wanted")
