"""HLS: tracks cut alike, numbers that run on, playlists that say what is there."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.hls.former import KEPT
from app.media.hls.grid import SegmentGrid
from app.media.hls.packager import Packager
from app.media.hls.playlist import AudioRendition, MediaPlaylist, Segment, Variant, multivariant
from app.media.hls.track import KEPT_BEHIND, LISTED, OPEN_MAX_BYTES, Shelf
from tests.unit.media.stream_parts import AVC_RECORD, at_stamps, audio, audio_header, video, video_header

SEGMENT_MS = 2_000
OTHER_RECORD = bytes((1, 77)) + AVC_RECORD[2:]
WALL_MS = 1_800_000_000_000
BASE = WALL_MS // SEGMENT_MS
AAC_MS = 1024 * 1000 / 44_100


def packager(**options: object) -> Packager:
    return Packager(segment_ms=SEGMENT_MS, zero_wall_ms=WALL_MS, **options)  # type: ignore[arg-type]


def pictures(to: Packager, begin_ms: int, end_ms: int, *, gop_ms: int = 1_000, track: str = "source") -> None:
    for stamp in range(begin_ms, end_ms, 40):
        to.push(track, at_stamps(video(stamp, key=stamp % gop_ms == 0)))


def sound(to: Packager, begin_ms: int, end_ms: int) -> None:
    number = next(n for n in range(10**6) if round(n * AAC_MS) >= begin_ms)
    while (stamp := round(number * AAC_MS)) < end_ms:
        to.push("audio", at_stamps(audio(stamp)))
        number += 1


def both(to: Packager, begin_ms: int, end_ms: int, *, gop_ms: int = 1_000) -> None:
    """A step at a time, so neither side is far ahead."""
    for step in range(begin_ms, end_ms, 200):
        sound(to, step, min(end_ms, step + 200))
        pictures(to, step, min(end_ms, step + 200), gop_ms=gop_ms)


def begun(**options: object) -> Packager:
    made = packager(**options)
    made.push("source", at_stamps(video_header(), audio_header()))
    return made


def listed(made: Packager) -> list[str]:
    return re.findall(r"^(\w+)/index.m3u8$", made.index() or "", re.MULTILINE)


def numbers(made: Packager, track: str) -> list[int]:
    return [segment.number for segment in made.shelves()[track].segments]


def test_numbers_come_from_the_timeline_and_the_clock_at_its_beginning() -> None:
    made = begun()
    both(made, 0, 6_100)
    assert numbers(made, "source") == [BASE, BASE + 1, BASE + 2]


def test_a_second_packager_of_the_same_timeline_goes_on_with_the_numbers() -> None:
    made = begun()
    pictures(made, 20_000, 24_100)
    assert numbers(made, "source") == [BASE + 10, BASE + 11]


def test_picture_and_sound_have_the_same_numbers_and_the_sound_no_seams() -> None:
    made = begun()
    both(made, 0, 12_300)
    assert numbers(made, "source") == numbers(made, "audio") == [BASE + n for n in range(6)]
    for left, right in zip(made.shelves()["audio"].segments, made.shelves()["audio"].segments[1:], strict=False):
        assert right.wall_ms == pytest.approx(left.wall_ms + left.duration_s * 1000, abs=1)


def test_a_source_whose_key_frames_are_rarer_than_segments_is_cut_at_them() -> None:
    made = begun()
    both(made, 0, 20_100, gop_ms=5_000)
    assert numbers(made, "source") == [BASE, BASE + 1, BASE + 2, BASE + 3]
    assert [segment.duration_s for segment in made.shelves()["source"].segments] == [5.0] * 4
    assert "#EXT-X-TARGETDURATION:5\n" in made.shelves()["source"].text()
    assert numbers(made, "audio") == numbers(made, "source")


def test_renditions_of_different_frame_rates_are_cut_alike() -> None:
    made = packager(renditions=["top", "low"])
    made.push("top", at_stamps(video_header()))
    made.push("low", at_stamps(video_header()))
    for stamp in range(0, 8_200, 20):
        made.push("top", at_stamps(video(stamp, key=stamp % 2_000 == 0)))
        if stamp % 40 == 0:
            made.push("low", at_stamps(video(stamp + 20, key=stamp % 2_000 == 0)))
    assert numbers(made, "top") == numbers(made, "low") == [BASE + n for n in range(4)]


def test_a_rendition_that_misses_a_segment_lists_a_gap() -> None:
    made = packager(renditions=["top", "low"])
    for track in ("top", "low"):
        made.push(track, at_stamps(video_header()))
        pictures(made, 0, 2_100, track=track)
    pictures(made, 2_120, 8_100, track="top")
    made.push("low", at_stamps(video(6_000, key=True)))
    pictures(made, 6_040, 8_100, track="low")
    assert numbers(made, "low") == numbers(made, "top")
    assert made.shelves()["low"].text().count("#EXT-X-GAP") == 1


def test_without_a_picture_the_sound_cuts_itself() -> None:
    made = packager()
    made.push("source", at_stamps(audio_header()))
    sound(made, 0, 8_100)
    assert numbers(made, "audio") == [BASE + n for n in range(4)]
    index = made.index()
    assert index is not None
    assert 'CODECS="mp4a.40.2"' in index
    assert "audio/index.m3u8" in index


def test_sound_runs_on_alone_when_the_picture_stands_still() -> None:
    made = begun()
    both(made, 0, 4_100)
    sound(made, 4_100, 30_000)
    assert len(numbers(made, "audio")) == LISTED
    seen = numbers(made, "audio")
    assert seen == list(range(seen[0], seen[0] + LISTED))


def test_a_picture_that_runs_without_its_sound_lists_gaps_for_it() -> None:
    made = begun()
    both(made, 0, 4_100)
    pictures(made, 4_120, 14_000)
    assert numbers(made, "audio")[-1] >= numbers(made, "source")[-1] - 2
    assert "#EXT-X-GAP" in made.shelves()["audio"].text()


@pytest.mark.parametrize("back_ms", [7_000, 17_000])
@pytest.mark.parametrize("closed", [True, False])
def test_a_pause_is_a_discontinuity_told_alike_on_all_tracks_and_no_hole_in_the_numbers(
    back_ms: int, closed: bool
) -> None:
    """RFC 8216, section 3: timestamps go on without a break, unless a discontinuity is told."""
    made = begun()
    both(made, 0, 5_000)
    if closed:
        made.flush()
    made.push("source", at_stamps(video_header(), audio_header()))
    both(made, back_ms, back_ms + 5_100)
    told = []
    for track in ("source", "audio"):
        seen = numbers(made, track)
        assert seen == list(range(seen[0], seen[0] + len(seen)))
        told.append([segment.number for segment in made.shelves()[track].segments if segment.discontinuity])
    assert numbers(made, "source") == numbers(made, "audio")
    assert told[0] == told[1]
    assert len(told[0]) == 1


def test_a_publisher_that_comes_straight_back_leaves_no_discontinuity() -> None:
    made = begun()
    both(made, 0, 5_000)
    made.flush()
    both(made, 5_000, 10_100)
    assert not any(segment.discontinuity for shelf in made.shelves().values() for segment in shelf.segments)


def test_a_playlist_after_the_end_reuses_no_name_of_the_one_before() -> None:
    made = begun()
    both(made, 0, 1_100)
    for at_ms in (2_400, 2_800, 3_200):
        made.flush()
        pictures(made, at_ms, at_ms + 400, gop_ms=400)
    made.end()
    again = packager(first_number=made.next_number)
    again.push("source", at_stamps(video_header(), audio_header()))
    both(again, 4_000, 9_000)
    shelf, before = again.shelves()["source"], made.shelves()["source"]
    assert shelf.segments[0].number > before.segments[-1].number
    assert before.init(shelf.segments[0].init) is None


def test_a_gap_lies_where_its_segment_would() -> None:
    made = packager(renditions=["top", "low"])
    for track in ("top", "low"):
        made.push(track, at_stamps(video_header()))
        pictures(made, 0, 2_100, track=track)
    pictures(made, 2_120, 8_100, track="top")
    pictures(made, 6_000, 8_100, track="low")
    for top, low in zip(made.shelves()["top"].segments, made.shelves()["low"].segments, strict=True):
        assert (top.number, top.wall_ms) == (low.number, low.wall_ms)


def test_a_segment_that_lasts_a_half_second_more_rounds_the_target_up() -> None:
    shelf = Shelf(SegmentGrid(2_500, WALL_MS))
    assert "#EXT-X-TARGETDURATION:3\n" in shelf.text()


def test_a_cut_off_segment_does_not_pass_for_the_peak_rate() -> None:
    """RFC 8216, section 4.3.4.2: the peak is that of stretches of half a target duration and more."""
    made = begun()
    for stamp in range(0, 10_040, 40):
        key = stamp % 2_000 == 0
        made.push("source", at_stamps(video(stamp, key=key, body=bytes(50_000 if key else 5_000))))
    made.flush()
    index = made.index()
    assert index is not None
    [peak] = re.findall(r"[:,]BANDWIDTH=(\d+)", index)
    assert 1_000_000 < int(peak) < 1_500_000


def test_sound_of_absurd_size_is_not_held_for_ever() -> None:
    made = begun()
    pictures(made, 0, 1_000)
    body = bytes(OPEN_MAX_BYTES // 8)
    for stamp in range(20):
        made.push("audio", at_stamps(audio(stamp, body)))
    made.flush()
    assert sum(len(segment.data or b"") for segment in made.shelves()["audio"].segments) < 2 * OPEN_MAX_BYTES


def test_a_picture_that_returns_before_the_end_of_the_sound_lists_no_segment_twice() -> None:
    made = begun()
    both(made, 0, 1_100)
    sound(made, 1_100, 14_000)
    made.flush()
    pictures(made, 4_000, 16_000)
    made.end()
    listed = numbers(made, "source")
    assert listed == list(range(listed[0], listed[0] + len(listed)))


def changed(*before: str, **heirs: str) -> Packager:
    """Six seconds of the pictures `before` with sound, then a ladder of `heirs` alone."""
    made = packager(renditions=before)
    made.push(before[0], at_stamps(audio_header()))
    for track in before:
        made.push(track, at_stamps(video_header()))
    for step in range(0, 6_000, 200):
        sound(made, step, step + 200)
        for track in before:
            pictures(made, step, step + 200, track=track)
    made.retrack(list(dict.fromkeys(heirs.values())), lambda name: heirs.get(name, name))
    return made


def go_on(made: Packager, track: str, begin_ms: int, end_ms: int) -> None:
    made.push(track, at_stamps(video_header(OTHER_RECORD)))
    for step in range(begin_ms, end_ms, 200):
        sound(made, step, step + 200)
        pictures(made, step, step + 200, track=track)


def test_the_playlist_of_a_picture_made_no_more_goes_on_with_its_heir() -> None:
    made = changed("top", top="mini")
    go_on(made, "mini", 6_000, 10_100)
    former, heir = made.shelves()["top"], made.shelves()["mini"]
    assert numbers(made, "top") == [BASE + n for n in range(5)]
    assert numbers(made, "mini") == [BASE + 3, BASE + 4]
    inits = {segment.number - BASE: former.init(segment.init) for segment in former.segments}
    assert inits[0] == inits[2] != inits[3] == inits[4] == heir.init(heir.segments[0].init)
    assert former.segment(BASE + 3) == heir.segment(BASE + 3) is not None
    lines = former.text().splitlines()
    at = lines.index("#EXT-X-DISCONTINUITY")
    assert lines[at + 1] == f'#EXT-X-MAP:URI="init-{former.segments[3].init}.mp4"'
    assert f"{BASE + 3}.m4s" in lines[at + 1 : at + 5]


def test_a_change_of_pictures_is_a_discontinuity_at_one_place_on_every_track() -> None:
    """RFC 8216, section 6.2.4: players tell by its number which segments belong together."""
    made = changed("top", "low", top="mini", low="low")
    for step in range(6_000, 30_000, 200):
        go_on(made, "mini", step, step + 200)
        pictures(made, step, step + 200, track="low")
        if step == 12_000:
            told = {
                name: [s.number for s in shelf.segments if s.discontinuity]
                for name, shelf in made.shelves().items()
            }
            assert told == {name: [BASE + 3] for name in ("top", "mini", "low", "audio")}
    for shelf in made.shelves().values():
        assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in shelf.text()
        assert "#EXT-X-DISCONTINUITY\n" not in shelf.text()


def test_only_what_is_made_is_listed_and_the_former_pictures_until_it_can_be_played() -> None:
    made = changed("top", "low", top="mini", low="mini")
    assert listed(made) == ["top", "low"]
    go_on(made, "mini", 6_000, 7_000)
    assert listed(made) == ["top", "low"]
    go_on(made, "mini", 7_000, 8_200)
    assert listed(made) == ["mini"]
    assert made.is_ready


def test_a_picture_that_comes_back_goes_on_in_its_own_playlist() -> None:
    made = changed("top", top="mini")
    go_on(made, "mini", 6_000, 10_040)
    made.retrack(["top"], lambda name: {"mini": "top"}.get(name, name))
    pictures(made, 10_040, 10_080, track="mini")
    made.push("top", at_stamps(video_header()))
    pictures(made, 12_000, 16_100, track="top")
    assert numbers(made, "top") == [BASE + n for n in range(2, 8)]
    assert numbers(made, "mini")[-1] == BASE + 7
    assert listed(made) == ["top"]


def test_of_many_pictures_made_no_more_the_last_few_go_on() -> None:
    made = changed("p0", p0="p1")
    for number in range(1, 2 * KEPT):
        go_on(made, f"p{number}", 4_000 + number * 2_000, 6_000 + number * 2_000)
        made.retrack([f"p{number + 1}"], lambda _, to=number + 1: f"p{to}")  # type: ignore[misc]  # bound now
    go_on(made, f"p{2 * KEPT}", 4_000 + KEPT * 4_000, 8_100 + KEPT * 4_000)
    shelves = made.shelves()
    assert len(shelves) == KEPT + 2
    last = shelves[f"p{2 * KEPT}"].segments[-1].number
    assert {shelf.segments[-1].number for name, shelf in shelves.items() if name != "audio"} == {last}


def test_a_change_of_format_is_a_discontinuity_with_a_new_init_segment() -> None:
    made = begun()
    both(made, 0, 3_000)
    other = bytes.fromhex(
        "014d4028ffe1001b674d4028eca03c0113f2e02d40404050000003001000000303c8f183196001000568ebecb22c"
    )
    made.push("source", at_stamps(video_header(other)))
    both(made, 3_000, 8_100)
    text = made.shelves()["source"].text()
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    first, second = (int(number) for number in re.findall(r'URI="init-(\d+).mp4"', text))
    assert made.shelves()["source"].init(first) != made.shelves()["source"].init(second)


def test_memory_is_bounded_and_the_list_slides() -> None:
    made = begun()
    both(made, 0, 60_100)
    shelf = made.shelves()["source"]
    assert len(shelf.segments) == LISTED
    first = shelf.segments[0].number
    assert shelf.segment(first - KEPT_BEHIND) is not None
    assert shelf.segment(first - KEPT_BEHIND - 1) is None
    assert f"#EXT-X-MEDIA-SEQUENCE:{first}\n" in shelf.text()


def test_discontinuities_that_left_the_list_are_counted() -> None:
    grid = SegmentGrid(SEGMENT_MS, WALL_MS)
    shelf = Shelf(grid)
    shelf.set_init(b"a")
    boundary = None
    for number in range(12):
        boundary = grid.enter(number * SEGMENT_MS, boundary, discontinuity=number == 1)
        assert boundary is not None
        shelf.put(boundary, None)
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in shelf.text()


def test_an_unknown_codec_is_refused_with_its_name() -> None:
    made = packager()
    header = video_header()
    unknown = type(header)(header.type, 0, b"\x90vp08" + b"x" * 20)
    made.push("source", at_stamps(unknown))
    assert made.refused is not None
    assert "vp08" in made.refused
    assert made.index() is None


def test_the_end_is_told_on_every_track() -> None:
    made = begun()
    both(made, 0, 3_000)
    made.end()
    assert all(shelf.text().endswith("#EXT-X-ENDLIST\n") for shelf in made.shelves().values())


@given(
    st.lists(st.tuples(st.sampled_from(["picture", "sound", "pause", "flush"]), st.integers(1, 4_000)), max_size=25)
)
def test_whatever_comes_numbers_run_on_and_no_frame_is_listed_twice(steps: list[tuple[str, int]]) -> None:
    made, clocks = begun(), {"picture": 0, "sound": 0}
    sent = 0
    for what, length_ms in steps:
        if what == "pause":
            clocks = {side: max(clocks.values()) + length_ms for side in clocks}
        elif what == "flush":
            made.flush()
        elif what == "picture":
            begin, end = clocks["picture"] // 40 * 40 + 40, clocks["picture"] + length_ms
            pictures(made, begin, end)
            sent += len(range(begin, end, 40))
            clocks["picture"] = max(begin - 40, end)
        else:
            sound(made, clocks["sound"] + 25, clocks["sound"] + length_ms)
            clocks["sound"] += length_ms
    made.end()
    for shelf in made.shelves().values():
        listed = [segment.number for segment in shelf.segments]
        assert listed == list(range(listed[0], listed[0] + len(listed))) if listed else True
        assert re.findall(r"(\d+)\.m4s", shelf.text()) == [str(number) for number in listed]
        for segment in shelf.segments:
            assert segment.duration_s > 0
    if "source" in made.shelves():
        assert sum(segment.frames for segment in made.shelves()["source"].segments) <= sent


def test_a_playlist_reads_as_the_standard_wants() -> None:
    segments = [
        Segment(7, 4.0, 1_800_000_000_000.0, 0, b"x"),
        Segment(8, 3.96, 1_800_000_004_000.0, 1, None, discontinuity=True),
    ]
    assert MediaPlaylist(segments, 4, 2, True).text().splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:8",
        "#EXT-X-TARGETDURATION:4",
        "#EXT-X-MEDIA-SEQUENCE:7",
        "#EXT-X-DISCONTINUITY-SEQUENCE:2",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="init-0.mp4"',
        "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.000Z",
        "#EXTINF:4.00000,",
        "7.m4s",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="init-1.mp4"',
        "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:04.000Z",
        "#EXT-X-GAP",
        "#EXTINF:3.96000,",
        "8.m4s",
        "#EXT-X-ENDLIST",
    ]


def test_the_multivariant_playlist_lists_the_highest_first() -> None:
    variants = [
        Variant("top/index.m3u8", ("avc1.640028", "mp4a.40.2"), 5e6, 4e6, 1920, 1080, 29.97),
        Variant("low/index.m3u8", ("avc1.64001F", "mp4a.40.2"), 1e6, 9e5, 854, 480, 29.97),
    ]
    lines = multivariant(variants, AudioRendition("audio/index.m3u8", 2)).splitlines()
    assert lines[3].startswith('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio"')
    assert lines[4] == (
        '#EXT-X-STREAM-INF:BANDWIDTH=5000000,AVERAGE-BANDWIDTH=4000000,CODECS="avc1.640028,mp4a.40.2",'
        'RESOLUTION=1920x1080,FRAME-RATE=29.970,AUDIO="audio"'
    )
    assert lines[5::2] == ["top/index.m3u8", "low/index.m3u8"]
