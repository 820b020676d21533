"""A node in a process of its own, to be killed: starts one worker and waits.

Arguments: gateway port, data folder.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from app.adapters.host.machine import Machine
from app.domain.ids import StreamId, WorkerId
from app.domain.link import StartWorker
from app.domain.secret import Secret
from app.domain.stream import WorkerOrder
from app.media.encoding.node import EncoderNode
from tests.integration.encoding.test_node import COMMAND, INFO, Link
from tests.unit.media.encoding.clips import settings


async def main(port: int, folder: Path) -> None:
    node = EncoderNode(info=INFO, version="1", host=Machine(folder), uplink=Link(), command=COMMAND)
    order = WorkerOrder(StreamId("str_1"), WorkerId("wrk_1"), 1, "127.0.0.1", port, Secret("token"), settings())
    await node.perform(StartWorker(order))
    await node.run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
