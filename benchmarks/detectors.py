"""How well content checks tell faults from what only looks like one: recall and false positives for each kind.

    python -m benchmarks.detectors [--variants 4] [--only KIND]

Each scene is encoded twice, as source and as programme, and goes through what a gateway does with it: key frames
and sound are taken aside, decoded, measured and judged, a quarter of a second of stream time after the other.
Printed: for each kind how many were found, what was found that is not there, how long after the beginning, and what
a look costs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from aiortmp import MediaBatch, MediaMessage, MessageType
from app.domain.content import Fault, PictureSample, Side, SoundSample
from app.domain.ladder import AUDIO_TRACK
from app.media.arrival import Arrival, arrive
from app.media.content.measure import Eye
from app.media.content.rounds import BUDGET
from app.media.content.talk import Look, Seen
from app.media.content.tap import ContentTap, SideTap
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem
from app.media.encoding.testcard import CardPlan, card_packets
from app.media.encoding.wire import PublisherWriter
from app.policy.content_watch import ContentWatch, Reach
from benchmarks import scenes
from benchmarks.scenes import FROM_S, LASTS_S, UNTIL_S, Scene

STEP_S = 0.25
LOOK_EVERY_S = 1.0
TRACK = "low"
SOUND_PACKETS = 94
"""Two seconds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`found`: fault and side with the second of stream time at which it was told first."""

    scene: Scene
    found: dict[tuple[Fault, Side], float]
    looks: int
    cost_ms: float

    @property
    def is_found(self) -> bool:
        fault, side = self.scene.fault, self.scene.side
        return fault is not None and side is not None and (fault, side) in self.found

    @property
    def false(self) -> list[tuple[Fault, Side]]:
        return [
            key for key in self.found if key != (self.scene.fault, self.scene.side) and key not in self.scene.also
        ]


class Watch:
    """A gateway's part, in stream time."""

    def __init__(self) -> None:
        self.tap = ContentTap()
        self.tap.follow(TRACK)
        self.eye = Eye()
        self.watch = ContentWatch()
        self.found: dict[tuple[Fault, Side], float] = {}
        self.looks, self.cost_s = 0, 0.0
        self._looked: dict[bool, float] = {}
        self._compared: dict[bool, int] = {}

    def step(self, now_s: float) -> None:
        for is_source, side in ((True, self.tap.source), (False, self.tap.programme)):
            if now_s - self._looked.get(is_source, -9.0) >= LOOK_EVERY_S:
                self._look(side, now_s, is_source=is_source)
        source, programme = (_furthest(side) for side in (self.tap.source, self.tap.programme))
        for finding in self.watch.judge(Reach(source, programme, self.tap.source.sound_ms)):
            self.found.setdefault((finding.fault, finding.side), now_s)

    def _look(self, side: SideTap, now_s: float, *, is_source: bool) -> None:
        taken = side.take("source" if is_source else "programme", closely=self.watch.is_suspicious or not is_source)
        if taken is None:
            return
        self._looked[is_source] = now_s
        began_s = time.process_time()
        seen: Seen = self.eye.look(taken.look)
        self.cost_s += time.process_time() - began_s
        self.looks += 1
        if taken.picture_ms is not None and seen.mean is not None:
            assert seen.dark_share is not None
            assert seen.light_share is not None
            before_ms = self._compared.get(is_source) if seen.change is not None else None
            self._compared[is_source] = taken.picture_ms
            sample = PictureSample(
                taken.picture_ms, seen.mean, seen.dark_share, seen.light_share, seen.change, before_ms
            )
            self.watch.see(sample, is_source=is_source)
        if taken.sound_ms is not None and taken.sound_from_ms is not None and seen.rms_dbfs is not None:
            assert seen.peak_dbfs is not None
            sound = SoundSample(taken.sound_from_ms, taken.sound_ms, seen.rms_dbfs, seen.peak_dbfs)
            self.watch.hear(sound, is_source=is_source)


def _furthest(side: SideTap) -> int | None:
    return max((ms for ms in (side.picture_ms, side.sound_ms) if ms is not None), default=None)


def run(scene: Scene) -> Outcome:
    source = scenes.encoded(
        scene.source, scene.source_sound, bps=scene.source_bps, key_s=scene.source_key_s, key_at_s=0.7
    )
    programme = scenes.encoded(
        scene.programme, scene.programme_sound, bps=scene.programme_bps, key_s=2.0, key_at_s=scene.key_at_s
    )
    watch = Watch()
    lines = {True: list(_arrivals(source)), False: list(_arrivals(programme))}
    steps = int(LASTS_S / STEP_S)
    for step in range(1, steps + 1):
        now_ms = step * STEP_S * 1000
        for is_source, line in lines.items():
            while line and line[0][1].positions[0] <= now_ms:
                is_sound, arrival = line.pop(0)
                if is_source:
                    watch.tap.on_source(arrival)
                else:
                    watch.tap.on_programme(AUDIO_TRACK if is_sound else TRACK, arrival)
        watch.step(step * STEP_S)
    return Outcome(scene, watch.found, watch.looks, watch.cost_s * 1000 / max(1, watch.looks))


def _arrivals(items: Iterable[SourceItem]) -> Iterator[tuple[bool, Arrival]]:
    writer = PublisherWriter()
    for item in items:
        for message in writer.write(item):
            yield isinstance(item, AudioPacket | AudioConfig), _arrival(message)


def _arrival(message: MediaMessage) -> Arrival:
    return arrive(MediaBatch.of([message]), lambda stamps: [stamp for _, stamp in stamps])


# --- the labelled set


def labelled(variants: int) -> list[Scene]:
    return [scene for number in range(variants) for scene in (*_faults(number), *_innocents(number))]


def _faults(n: int) -> list[Scene]:
    film = scenes.film(n, noise=(0, 6, 0, 10)[n % 4])
    sound = scenes.talk(n) if n % 2 else scenes.music()
    black = scenes.flat((16, 17, 16, 20)[n % 4], noise=(0, 3, 8, 0)[n % 4])
    dark = scenes.during(black, film)
    still, hushed = scenes.frozen(film), scenes.hushed(sound, to=(0.0, 0.0003)[n % 2])
    source_bps, programme_bps = 400_000 + 300_000 * (n % 3), 150_000 + 100_000 * (n % 3)
    speaker = scenes.head(n)
    clean = Scene("", f"{n}", None, None, film, film, sound, sound, source_bps, programme_bps, key_at_s=n * 0.7 % 2)

    def of(kind: str, fault: Fault, side: Side, **changed: object) -> Scene:
        return replace(clean, kind=kind, fault=fault, side=side, **changed)  # type: ignore[arg-type]  # by name

    hum = scenes.hushed(sound, to=0.002)
    both = {"source": dark, "programme": dark}
    silent = {"source_sound": hushed, "programme_sound": hushed}
    also = frozenset({(Fault.SILENT_AUDIO, Side.SOURCE)})
    stuck = {"source": still, "programme": still}
    return [
        of("black of an encoder", Fault.BLACK_PICTURE, Side.ENCODER, programme=dark),
        of("black of a source", Fault.BLACK_PICTURE, Side.SOURCE, **both),
        of("frozen by an encoder", Fault.FROZEN_PICTURE, Side.ENCODER, programme=still),
        of("silenced by an encoder", Fault.SILENT_AUDIO, Side.ENCODER, programme_sound=hushed),
        of("silent source", Fault.SILENT_AUDIO, Side.SOURCE, **silent),
        of("frozen and silent source", Fault.FROZEN_PICTURE, Side.SOURCE, **stuck, **silent, also=also),
        of(
            "frozen encoder, somebody speaks",
            Fault.FROZEN_PICTURE,
            Side.ENCODER,
            source=speaker,
            programme=scenes.frozen(speaker),
        ),
        of(
            "black with a station's logo",
            Fault.BLACK_PICTURE,
            Side.ENCODER,
            programme=scenes.during(scenes.with_logo(black), film),
        ),
        of("humming silence of an encoder", Fault.SILENT_AUDIO, Side.ENCODER, programme_sound=hum),
        of("black encoder, source keys 8 s", Fault.BLACK_PICTURE, Side.ENCODER, programme=dark, source_key_s=8.0),
        of(
            "frozen encoder, source keys 8 s", Fault.FROZEN_PICTURE, Side.ENCODER, programme=still, source_key_s=8.0
        ),
        of("black source with keys of 8 s", Fault.BLACK_PICTURE, Side.SOURCE, **both, source_key_s=8.0),
    ]


def _innocents(n: int) -> list[Scene]:
    film, sound, words = scenes.film(n + 50), scenes.music(), scenes.talk(n)

    def of(kind: str, picture: scenes.Draw, heard: scenes.Sound = sound, bps: int = 150_000) -> Scene:
        return Scene(kind, f"{n}", None, None, picture, picture, heard, heard, 600_000, bps + 100_000 * (n % 3))

    title = scenes.slide(n, paper=16, ink=(235, 180, 120, 90)[n % 4], lines=1 + n % 3)
    page = scenes.slide(n, lines=5 + n % 4)
    night = scenes.film(n, low=18, high=(70, 60, 90, 55)[n % 4])
    return [
        of("film", film),
        of("fade to black", scenes.faded(film, fade_s=1 + n % 3, black_s=1.0 + n % 3)),
        of("title card on black", scenes.during(title, film)),
        of("still slide with talk", page, words),
        of("slide with a clock", scenes.with_corner(page), words),
        of("slide, nobody talks for a while", page, scenes.hushed(words, end_s=FROM_S + 4)),
        of("dark scene", scenes.during(night, film)),
        of("nearly black night", scenes.during(scenes.film(n, low=16, high=(34, 40, 45, 30)[n % 4]), film)),
        of("somebody speaks", scenes.head(n), words),
        of("black for 4 s", scenes.during(scenes.flat(16), film, end_s=FROM_S + 4)),
        of("logo on black", scenes.during(scenes.with_logo(scenes.flat(16)), film)),
        of("grain on a still", scenes.during(lambda at_s: scenes.grain(page(at_s), 20), film)),
        of("pause in a talk", film, scenes.hushed(words, end_s=FROM_S + 7)),
        of("quiet room", film, scenes.hushed(words, to=0.004)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--only")
    given = parser.parse_args()
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for scene in labelled(given.variants):
        if given.only is None or given.only in scene.kind:
            outcomes[scene.kind].append(run(scene))
    print(f"faults from {FROM_S:g} s to {UNTIL_S:g} s of {LASTS_S:g} s; key frames each 2 s\n")
    print(f"{'kind':34}{'scenes':>7}{'recall':>8}{'false positives':>17}{'told after':>12}")
    for kind, runs in outcomes.items():
        _print(kind, runs)
    every = [outcome for runs in outcomes.values() for outcome in runs]
    faulty = [outcome for outcome in every if outcome.scene.fault is not None]
    wrong = sum(bool(outcome.false) for outcome in every)
    moved = sum(side is Side.ENCODER for o in every if o.scene.side is not Side.ENCODER for _, side in o.found)
    found = sum(outcome.is_found for outcome in faulty)
    print(f"\nrecall {found}/{len(faulty)}, scenes with a false positive {wrong}/{len(every)}")
    print(f"failovers that would have been for nothing: {moved}")
    print(f"a look costs {statistics.median(o.cost_ms for o in every):.1f} ms (320x180)")
    _print_cost()


def _print_cost() -> None:
    """Of one stream of the usual size, in processor time: each side's key frame and sound of two seconds."""
    total_ms = 0.0
    for name, width, height, bps in (("source", 1920, 1080, 6_000_000), ("programme", 640, 360, 800_000)):
        writer = PublisherWriter()
        card = card_packets(CardPlan(width=width, height=height, video_bps=bps, frames=91))
        messages = [message for item in card for message in writer.write(item)]
        picture = [message for message in messages if message.type is MessageType.VIDEO]
        sound = [message for message in messages if message.type is MessageType.AUDIO]
        key = next(message for message in reversed(picture) if message.payload[0] >> 4 == 1)
        look, eye = Look(name, (picture[0], key), sound[: 1 + SOUND_PACKETS]), Eye()
        costs: list[float] = []
        for _ in range(20):
            began_s = time.process_time()
            eye.look(look)
            costs.append((time.process_time() - began_s) * 1000)
        total_ms += statistics.median(costs)
        print(f"the {name}'s look, {width}x{height} and 2 s of sound: {statistics.median(costs):.1f} ms")
    print(f"one stream each 2 s: {total_ms / 2000:.2%} of a core; budget of a gateway: {BUDGET:.0%}")


def _print(kind: str, runs: list[Outcome]) -> None:
    has_fault = runs[0].scene.fault is not None
    recall = f"{sum(o.is_found for o in runs)}/{len(runs)}" if has_fault else "-"
    wrong = sum(bool(o.false) for o in runs)
    names = ", ".join(sorted({f"{fault}/{side}" for o in runs for fault, side in o.false}))
    late = [
        o.found[o.scene.fault, o.scene.side] - FROM_S for o in runs if o.is_found and o.scene.fault and o.scene.side
    ]
    told = f"{max(late):.1f} s" if late else "-"
    print(f"{kind:34}{len(runs):>7}{recall:>8}{f'{wrong}/{len(runs)}':>17}{told:>12}  {names}")


if __name__ == "__main__":
    main()
