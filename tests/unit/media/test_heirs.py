"""Who asked for a rendition that is made no more gets the one that comes nearest."""

from __future__ import annotations

import pytest

from app.domain.ladder import AUDIO_TRACK, FrameRate, Rendition
from app.media.heirs import KEPT, Heirs, heir


def ladder(*heights: int) -> list[Rendition]:
    return [Rendition(f"{height}p", height * 16 // 9, height, FrameRate(25), height * 1_000) for height in heights]


@pytest.mark.parametrize(
    ("name", "after", "expected"),
    [
        ("720p", (480, 240), "480p"),
        ("720p", (1080, 480), "1080p"),
        ("480p", (720, 360, 240), "360p"),
        ("480p", (1080, 720), "720p"),
        ("360p", (720, 360), "360p"),
        ("360p", (), AUDIO_TRACK),
    ],
)
def test_the_top_goes_on_with_the_top_and_others_with_the_highest_that_is_no_higher(
    name: str, after: tuple[int, ...], expected: str
) -> None:
    assert heir(name, ladder(720, 480, 360), ladder(*after)) == expected


def test_sound_alone_goes_on_with_the_highest_picture() -> None:
    assert heir(AUDIO_TRACK, [], ladder(720, 480)) == "720p"


def test_a_former_name_leads_on_over_several_changes_until_it_is_made_again() -> None:
    heirs = Heirs()
    assert heirs.change(ladder(720), ladder(480)) == {"720p": "480p"}
    assert heirs.change(ladder(480), ladder(360)) == {"480p": "360p"}
    assert (heirs.now("720p"), heirs.now("480p"), heirs.now("360p")) == ("360p", "360p", "360p")
    assert heirs.change(ladder(360), ladder(720)) == {"360p": "720p"}
    assert (heirs.now("720p"), heirs.now("480p")) == ("720p", "720p")


def test_only_the_last_few_names_are_kept() -> None:
    heirs = Heirs()
    for height in range(100, 120):
        heirs.change(ladder(height), ladder(height + 1))
    assert [name for name in (f"{height}p" for height in range(100, 120)) if heirs.now(name) == "120p"] == [
        f"{height}p" for height in range(120 - KEPT, 120)
    ]
