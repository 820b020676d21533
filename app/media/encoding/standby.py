"""A standby's proofs while it waits: with each new header's first key frame, or with a picture of its own.

Leaves to others: the proof itself (`proof`), the connection (`worker`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Final

from app.domain.stream import EncodeSettings
from app.media.encoding.packets import SourceItem, VideoConfig, VideoPacket
from app.media.encoding.pipeline import Pipeline
from app.media.encoding.proof import Proof, Sample, prove

OWN_PROOF_S: Final = 0.5
"""A source that is there has said its headers by then."""


class Samples:
    """Finds in the source of a standby what is to be proved: the first key frame after each new header. Pure."""

    def __init__(self) -> None:
        self._config: VideoConfig | None = None
        self._taken: VideoConfig | None = None

    def take(self, item: SourceItem) -> Sample | None:
        match item:
            case VideoConfig():
                self._config = item
            case VideoPacket(is_key=True) if self._config is not None and self._config != self._taken:
                self._taken = self._config
                return Sample(self._config, item)
        return None


class Prover:
    """Runs one proof at a time in threads of its own; a newer one ends the one before.

    `on_proof` is called in one of them.
    """

    def __init__(self, settings: EncodeSettings, on_proof: Callable[[Proof], None]) -> None:
        self._settings = settings
        self._on_proof = on_proof
        self._pipeline: Pipeline | None = None

    def start(self, sample: Sample | None) -> None:
        """Prove with this, or with a picture of its own."""
        self.abort()
        pipeline = self._pipeline = Pipeline(self._settings)
        Thread(target=self._run, args=(pipeline, sample), name="proof", daemon=True).start()

    def abort(self) -> None:
        """What is not proved by now is not told."""
        if self._pipeline is not None:
            self._pipeline.abort()
            self._pipeline = None

    def _run(self, pipeline: Pipeline, sample: Sample | None) -> None:
        proof = prove(pipeline, self._settings, sample)
        if pipeline is self._pipeline:
            self._on_proof(proof)


class StandbyProofs:
    """From `onStandby` until `end`, which is when the worker speaks or begins anew."""

    def __init__(self, settings: EncodeSettings, on_proof: Callable[[Proof], None]) -> None:
        self._prover = Prover(settings, on_proof)
        self._samples = Samples()
        self._alone = asyncio.get_running_loop().call_later(OWN_PROOF_S, self._prover.start, None)

    def take(self, items: Sequence[SourceItem]) -> None:
        for item in items:
            sample = self._samples.take(item)
            if sample is not None:
                self._alone.cancel()
                self._prover.start(sample)

    def end(self) -> None:
        self._alone.cancel()
        self._prover.abort()
