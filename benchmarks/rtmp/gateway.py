"""A gateway with open channels, as a process: ``python -m benchmarks.rtmp.gateway PORT``.

The same gateway that serves streams, without control: RTMP viewers only, one channel for each name of the load.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.assembly.gateway import RunningGateway, collect_rarely
from app.assembly.logs import configure_logs
from app.assembly.process import new_loop
from app.assembly.settings import Settings
from app.domain.ids import PlaybackId, StreamId
from app.domain.ladder import Ladder
from app.domain.link import Fact, Hello, OpenChannel, Order
from app.domain.secret import Secret
from app.domain.stream import ChannelPlan, Outputs, StreamMode
from app.media.admission import digest
from benchmarks.rtmp.cases import STREAMS, stream_name

OUTPUTS = Outputs(hls=False, http_flv=False)


class NoControl:
    """An uplink that opens the channels and hears no facts."""

    connected = True

    async def run(self, hello: Callable[[], Hello], perform: Callable[[Order], Awaitable[None]]) -> None:
        for number in range(STREAMS):
            name = stream_name(number)
            plan = ChannelPlan(
                stream_id=StreamId(name),
                playback_id=PlaybackId(name),
                revision=1,
                mode=StreamMode.PASSTHROUGH,
                key_sha256=digest(name),
                key_expires_at=None,
                ladder=Ladder(()),
                outputs=OUTPUTS,
            )
            await perform(OpenChannel(plan))

    def tell(self, fact: Fact) -> None:
        pass


async def main(port: int) -> None:
    configure_logs(level="info", fmt="json")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), rtmp_port=port, http_port=0, link_token=Secret("benchmark"))
        await RunningGateway(settings, NoControl()).start()
        collect_rarely()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main(int(sys.argv[1])))
