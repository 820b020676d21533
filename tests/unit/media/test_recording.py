"""Recording fragments: playable from the first byte, one part as long as the formats stay."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.media.record import recorder as recorder_module
from app.media.record.files import RecordingFiles
from app.media.record.fragments import FRAGMENT_MS, OPEN_MAX_BYTES, Piece, RecordingMuxer
from app.media.record.recorder import Recorder
from tests.unit.media.stream_parts import at_stamps, audio, audio_header, video, video_header

OTHER_ASC = bytes.fromhex("1190")


def recorded(muxer: RecordingMuxer, begin_ms: int, end_ms: int, gop_ms: int = 1_000) -> list[Piece]:
    pieces = []
    for stamp in range(begin_ms, end_ms, 40):
        pieces += muxer.push(at_stamps(video(stamp, key=stamp % gop_ms == 0), audio(stamp + 1)))
    return pieces


def test_the_first_piece_begins_a_part_with_its_init_segment() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(video_header(), audio_header()))
    first, *others = recorded(muxer, 0, 4_100)
    assert first.new_part
    assert first.data[4:8] == b"ftyp"
    assert all(not piece.new_part and piece.data[4:8] == b"moof" for piece in others)
    assert len(others) == 3


def test_a_fragment_begins_with_a_key_frame_and_lasts_at_least_a_second() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(video_header()))
    pieces = recorded(muxer, 0, 6_000, gop_ms=400)
    for piece in pieces:
        assert piece.start_ms % 400 == 0
        assert piece.end_ms - piece.start_ms >= FRAGMENT_MS


def test_sound_that_comes_before_the_picture_is_in_the_same_part() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(audio_header()))
    muxer.push(at_stamps(audio(0), audio(20)))
    muxer.push(at_stamps(video_header()))
    pieces = recorded(muxer, 40, 3_100)
    assert [piece.new_part for piece in pieces] == [True, False]
    assert pieces[0].start_ms == 0


def test_sound_alone_is_recorded() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(audio_header()))
    pieces = [piece for stamp in range(0, 8_000, 23) for piece in muxer.push(at_stamps(audio(stamp)))]
    assert len(pieces) >= 4
    assert pieces[0].new_part


def test_the_same_headers_again_change_nothing_and_others_begin_a_new_part() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(video_header(), audio_header()))
    pieces = recorded(muxer, 0, 2_100)
    pieces += muxer.push(at_stamps(video_header(), audio_header()))
    pieces += recorded(muxer, 3_000, 5_100)
    pieces += muxer.push(at_stamps(audio_header(OTHER_ASC)))
    pieces += recorded(muxer, 6_000, 8_100)
    assert sum(piece.new_part for piece in pieces) == 2


def test_a_pause_is_told_as_a_gap() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(video_header(), audio_header()))
    recorded(muxer, 0, 2_100)
    pieces = recorded(muxer, 12_000, 15_000)
    gaps = [piece.gap_ms for piece in pieces if piece.gap_ms]
    assert len(gaps) == 1
    assert 9_000 < gaps[0] < 10_000


def test_files_of_an_earlier_process_are_kept_and_listed(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        files = RecordingFiles(tmp_path)
        files.write(Piece(data, True, 0, 1_000.0))
        files.finish()
    (tmp_path / "index.json").unlink()
    files = RecordingFiles(tmp_path)
    files.write(Piece(b"third", False, 5_000, 6_000.0, 4_000.0))
    files.finish()
    parts = json.loads((tmp_path / "index.json").read_text())["parts"]
    assert [(part["file"], part["bytes"]) for part in parts] == [
        ("part-0001.mp4", 5),
        ("part-0002.mp4", 6),
        ("part-0003.mp4", 5),
    ]
    assert parts[2]["gaps"] == [{"at_ms": 1_000, "length_ms": 4_000}]
    assert (tmp_path / "part-0001.mp4").read_bytes() == b"first"


def test_sound_is_written_while_the_picture_stands_still() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(video_header(), audio_header()))
    recorded(muxer, 0, 2_100)
    pieces = [piece for stamp in range(2_100, 62_100, 20) for piece in muxer.push(at_stamps(audio(stamp)))]
    assert pieces[-1].end_ms > 50_000
    assert not any(piece.new_part for piece in pieces)
    pieces = [piece for stamp in (62_120, 62_160) for piece in muxer.push(at_stamps(video(stamp)))]
    pieces += recorded(muxer, 64_000, 66_100)
    assert muxer.skipped == 0
    assert len(pieces) == 3


def test_sound_of_absurd_size_is_not_held_for_ever() -> None:
    muxer = RecordingMuxer()
    muxer.push(at_stamps(video_header(), audio_header()))
    body = bytes(OPEN_MAX_BYTES // 8)
    for stamp in range(20):
        muxer.push(at_stamps(audio(stamp, body)))
    assert muxer.skipped > 0
    assert sum(len(piece.data) for piece in muxer.flush()) <= OPEN_MAX_BYTES + len(body)


class HeldDisk(RecordingFiles):
    """Writes nothing before the test says so."""

    go = threading.Event()

    def write(self, piece: Piece) -> None:
        self.go.wait(30)
        super().write(piece)


async def test_a_part_whose_beginning_was_lost_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "QUEUE_MAX_BYTES", 0)
    with ThreadPoolExecutor(1) as executor:
        recorder = Recorder(tmp_path / "r", executor=executor)
        recorder.take(at_stamps(video_header(), audio_header()))
        for stamp in range(0, 2_040, 40):
            recorder.take(at_stamps(video(stamp, key=stamp % 1_000 == 0)))
        assert recorder.lost_pieces == 1
        recorder.take(at_stamps(audio_header(OTHER_ASC)))
        for stamp in range(3_000, 6_040, 40):
            if stamp == 5_000:
                monkeypatch.setattr(recorder_module, "QUEUE_MAX_BYTES", 1 << 20)
            recorder.take(at_stamps(video(stamp, key=stamp % 1_000 == 0)))
        recorder.start(asyncio.ensure_future(recorder.run()))
        await recorder.close()
    parts = json.loads((tmp_path / "r" / "index.json").read_text())["parts"]
    assert all((tmp_path / "r" / part["file"]).read_bytes()[4:8] == b"ftyp" for part in parts)
    assert len(parts) == 2


async def test_closing_does_not_wait_for_a_disk_that_hangs(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        recorder = Recorder(tmp_path / "r", executor=executor, files=HeldDisk, close_s=0.01)
        task = asyncio.ensure_future(recorder.run())
        recorder.start(task)
        recorder.take(at_stamps(video_header(), video(0, key=True)))
        async with asyncio.timeout(10):
            await recorder.close()
        assert not task.done()
        HeldDisk.go.set()
        await task
    assert (tmp_path / "r" / "part-0001.mp4").stat().st_size > 0
