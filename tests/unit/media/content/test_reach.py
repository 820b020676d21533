"""What a channel's counts say of its content."""

from __future__ import annotations

from app.domain.stream import StreamMode
from app.media.content.reach import flow_of
from app.media.content.tap import ContentTap
from tests.unit.media.content.test_rounds import House
from tests.unit.media.stream_parts import at_stamps, video


def shown(taps: ContentTap, *stamps_ms: int, source: bool = True, programme: bool = True) -> None:
    for at_ms in stamps_ms:
        if source:
            taps.on_source(at_stamps(video(at_ms)))
        if programme:
            taps.on_programme("low", at_stamps(video(at_ms)))


def test_a_step_that_the_source_made_too_is_none_of_the_encoder_s_whether_the_source_is_up_or_down() -> None:
    house, taps = House("up"), ContentTap()
    down = house._channel("down", StreamMode.TRANSCODE)
    taps.follow("low")
    shown(taps, 0, 40, 9_000)
    assert taps.source.jumps == 1
    assert house.channels[0].source.is_up
    assert not down.source.is_up
    for channel in (house.channels[0], down):
        assert flow_of(channel, taps, 0.0).programme_jumps == 0


def test_steps_that_a_source_made_before_hide_none_of_another_rendition() -> None:
    house, taps = House("up"), ContentTap()
    shown(taps, 0, 40, 9_000, programme=False)
    taps.follow("low")
    shown(taps, 9_000, 20_000, source=False)
    assert flow_of(house.channels[0], taps, 0.0).programme_jumps == 1
