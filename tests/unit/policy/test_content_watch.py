"""Black, frozen, silent: whose fault it is."""

from __future__ import annotations

import pytest

from app.domain.content import Fault, PictureSample, Side, SoundSample
from app.policy.content_watch import ContentWatch, Reach, is_black, is_silent, is_still

BLACK = PictureSample(0, 2.0, 1.0, 0.0, 0.3)
LIVE = PictureSample(0, 90.0, 0.1, 0.8, 40.0)
STILL = PictureSample(0, 90.0, 0.1, 0.8, 0.4)
LOGO_ON_BLACK = PictureSample(0, 6.0, 0.97, 0.03, 0.3)
UNCERTAIN = PictureSample(0, 22.0, 0.9, 0.01, 0.4)
LOUD = SoundSample(0, 0, -20.0, -6.0)
SILENT = SoundSample(0, 0, -90.0, -80.0)


class Stream:
    """Looks each two seconds at both sides, half a second apart."""

    def __init__(self) -> None:
        self.watch = ContentWatch()
        self.now_ms = 0
        self.sound_ms: int | None = None
        self.told: dict[tuple[Fault, Side], int] = {}
        self.active: set[tuple[Fault, Side]] = set()

    def plays(
        self,
        source: PictureSample | None,
        programme: PictureSample | None,
        *,
        for_s: int,
        source_sound: SoundSample | None = LOUD,
        programme_sound: SoundSample | None = LOUD,
        sends_sound: bool = True,
    ) -> Stream:
        for _ in range(for_s * 2):
            self.now_ms += 500
            if self.now_ms % 2_000 == 0:
                self._look(programme, programme_sound, self.now_ms, is_source=False)
            elif self.now_ms % 2_000 == 500:
                self._look(source, source_sound, self.now_ms, is_source=True)
            if sends_sound:
                self.sound_ms = self.now_ms
            findings = self.watch.judge(Reach(self.now_ms, self.now_ms, self.sound_ms))
            self.active = {(finding.fault, finding.side) for finding in findings}
            for key in self.active:
                self.told.setdefault(key, self.now_ms)
        return self

    def _look(
        self, picture: PictureSample | None, sound: SoundSample | None, at_ms: int, *, is_source: bool
    ) -> None:
        if picture is not None:
            before_ms = at_ms - 2_000 if at_ms > 2_000 else None
            change = picture.change if before_ms is not None else None
            sample = PictureSample(at_ms, picture.mean, picture.dark_share, picture.light_share, change, before_ms)
            self.watch.see(sample, is_source=is_source)
        if sound is not None:
            heard = SoundSample(at_ms - 2_000, at_ms, sound.rms_dbfs, sound.peak_dbfs)
            self.watch.hear(heard, is_source=is_source)


def test_what_one_look_says() -> None:
    assert is_black(BLACK) is True
    assert is_black(LIVE) is False
    assert is_black(UNCERTAIN) is None
    assert is_still(STILL) is True
    assert is_still(LIVE) is False
    assert is_still(PictureSample(0, 90.0, 0.1, 0.8, None)) is None
    assert is_silent(SILENT) is True
    assert is_silent(LOUD) is False
    assert is_silent(SoundSample(0, 0, -55.0, -40.0)) is None


def test_a_stream_that_is_well_has_no_findings() -> None:
    assert Stream().plays(LIVE, LIVE, for_s=60).told == {}


@pytest.mark.parametrize(
    ("after", "fault", "within_s"),
    [
        ({"programme": BLACK}, Fault.BLACK_PICTURE, 8),
        ({"programme": STILL}, Fault.FROZEN_PICTURE, 8),
        ({"programme": LIVE, "programme_sound": SILENT}, Fault.SILENT_AUDIO, 13),
    ],
)
def test_what_the_encoder_does_to_a_live_source_is_told_in_time(
    after: dict[str, PictureSample], fault: Fault, within_s: int
) -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=21)
    stream.plays(LIVE, for_s=20, **after)  # type: ignore[arg-type]  # by name
    assert set(stream.told) == {(fault, Side.ENCODER)}
    assert stream.told[fault, Side.ENCODER] <= (21 + within_s) * 1000


def test_a_picture_that_froze_right_after_a_key_frame_counts_from_the_first_one_that_is_still() -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=20)
    frozen_ms = stream.now_ms + 500
    # The next key frame shows the last picture that moved.
    stream.plays(LIVE, LIVE, for_s=2).plays(LIVE, STILL, for_s=10)
    assert stream.told[Fault.FROZEN_PICTURE, Side.ENCODER] <= frozen_ms + 8_000


def test_a_black_source_is_the_source_s_and_no_encoder_is_blamed() -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=20).plays(BLACK, BLACK, for_s=120)
    assert set(stream.told) == {(Fault.BLACK_PICTURE, Side.SOURCE)}


def test_a_silent_source_is_the_source_s() -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=20, source_sound=SILENT, programme_sound=SILENT)
    assert set(stream.told) == {(Fault.SILENT_AUDIO, Side.SOURCE)}


def test_a_still_slide_is_a_fault_only_while_nobody_speaks() -> None:
    stream = Stream().plays(STILL, STILL, for_s=60)
    assert stream.told == {}
    stream.plays(STILL, STILL, for_s=10, source_sound=SILENT, programme_sound=SILENT)
    assert (Fault.FROZEN_PICTURE, Side.SOURCE) in stream.active
    stream.plays(STILL, STILL, for_s=10)
    assert stream.active == set()


def test_a_still_picture_without_a_sound_track_is_the_source_s_fault() -> None:
    quiet = {"source_sound": None, "programme_sound": None, "sends_sound": False}
    stream = Stream().plays(LIVE, LIVE, for_s=20, **quiet)  # type: ignore[arg-type]  # by name
    assert stream.told == {}
    stream.plays(STILL, STILL, for_s=10, **quiet)  # type: ignore[arg-type]  # by name
    assert stream.active == {(Fault.FROZEN_PICTURE, Side.SOURCE)}
    stream.plays(LIVE, LIVE, for_s=6, **quiet)  # type: ignore[arg-type]  # by name
    assert stream.active == set()


def test_a_still_picture_is_a_fault_when_its_sound_ends() -> None:
    stream = Stream().plays(STILL, STILL, for_s=20)
    stream.plays(STILL, STILL, for_s=10, source_sound=None, programme_sound=None, sends_sound=False)
    assert stream.active == {(Fault.FROZEN_PICTURE, Side.SOURCE)}


def test_a_still_picture_with_sound_that_nobody_can_decode_is_no_fault() -> None:
    stream = Stream().plays(STILL, STILL, for_s=60, source_sound=None, programme_sound=None)
    assert stream.told == {}


def test_black_for_less_than_five_seconds_is_a_fade() -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=20).plays(BLACK, BLACK, for_s=4).plays(LIVE, LIVE, for_s=20)
    assert stream.told == {}


def test_a_logo_on_black_that_the_source_sends_is_nobody_s_fault() -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=20).plays(LOGO_ON_BLACK, LOGO_ON_BLACK, for_s=60)
    assert stream.plays(LIVE, LIVE, for_s=20).told == {}


def test_a_logo_on_black_in_the_place_of_a_live_source_is_the_encoder_s() -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=20).plays(LIVE, LOGO_ON_BLACK, for_s=20)
    assert set(stream.told) == {(Fault.FROZEN_PICTURE, Side.ENCODER)}


def test_an_encoder_is_not_blamed_for_a_source_that_may_be_black() -> None:
    assert Stream().plays(UNCERTAIN, BLACK, for_s=60).told == {}


def test_where_the_source_cannot_be_looked_at_nobody_is_blamed() -> None:
    stream = Stream().plays(None, LIVE, for_s=10).plays(None, BLACK, for_s=30)
    assert set(stream.told) == {(Fault.BLACK_PICTURE, Side.UNKNOWN)}


def test_a_fault_is_over_when_it_is_seen_to_be_over_and_not_sooner() -> None:
    stream = Stream().plays(LIVE, BLACK, for_s=20).plays(LIVE, LIVE, for_s=2)
    assert stream.active == {(Fault.BLACK_PICTURE, Side.ENCODER)}
    stream.plays(LIVE, LIVE, for_s=4)
    assert stream.active == set()


def test_the_encoder_is_blamed_no_more_when_the_source_has_become_black_too() -> None:
    stream = Stream().plays(LIVE, BLACK, for_s=20).plays(BLACK, BLACK, for_s=20)
    assert stream.active == {(Fault.BLACK_PICTURE, Side.SOURCE)}


def test_another_worker_begins_without_a_history() -> None:
    stream = Stream().plays(LIVE, BLACK, for_s=20)
    stream.watch.begin_programme()
    stream.plays(LIVE, LIVE, for_s=1)
    assert stream.active == set()


def test_a_source_that_is_gone_has_no_faults() -> None:
    stream = Stream().plays(BLACK, BLACK, for_s=20)
    assert stream.watch.judge(Reach(None, None, None)) == ()


def test_a_black_programme_asks_for_a_closer_look_at_the_source() -> None:
    stream = Stream().plays(LIVE, LIVE, for_s=10)
    assert not stream.watch.is_suspicious
    stream.plays(LIVE, BLACK, for_s=4)
    assert stream.watch.is_suspicious
