"""A relay on pyrtmp: ``PYRTMP_PYTHON pyrtmp_relay.py PORT``, in an environment of its own.

pyrtmp reads publishers but knows no players; what is missing is added here in the least that
works: whole messages, each written to every player with pyrtmp's own writer.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from pyrtmp import StreamClosedException
from pyrtmp.messages import Chunk
from pyrtmp.messages.factory import MessageFactory
from pyrtmp.rtmp import RTMPProtocol, SimpleRTMPController
from pyrtmp.session_manager import SessionManager

CONTROL_TYPES = (1, 5)
MEDIA_TYPES = (8, 9)
COMMAND_TYPE = 20
PLAY_STARTED = (
    b"\x02\x00\x08onStatus" + bytes((0,)) + bytes(8) + b"\x05\x03"
    b"\x00\x05level\x02\x00\x06status"
    b"\x00\x04code\x02\x00\x14NetStream.Play.Start"
    b"\x00\x0bdescription\x02\x00\x07started\x00\x00\x09"
)


class Relay(SimpleRTMPController):
    """Hands every audio and video message on."""

    def __init__(self) -> None:
        self.players: dict[str, list[SessionManager]] = {}

    async def client_callback(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = SessionManager(reader=reader, writer=writer)
        try:
            await self.on_handshake(session)
            async for chunk in session.read_chunks_from_stream():
                await self.take(session, chunk)
        except (StreamClosedException, OSError, asyncio.IncompleteReadError):
            for players in self.players.values():
                if session in players:
                    players.remove(session)
        writer.close()

    async def take(self, session: SessionManager, chunk: Chunk) -> None:
        if chunk.msg_type_id in MEDIA_TYPES:
            for player in self.players.get(session.state.get("name", ""), ()):
                await self.hand_on(player, chunk)
        elif chunk.msg_type_id in CONTROL_TYPES:
            message = MessageFactory.from_chunk(chunk)
            if chunk.msg_type_id == 1:
                await self.on_set_chunk_size(session, message)
        elif chunk.msg_type_id == COMMAND_TYPE:
            await self.obey(session, chunk)

    async def obey(self, session: SessionManager, chunk: Chunk) -> None:
        name = chunk.payload[3 : 3 + chunk.payload[2]]
        if name == b"connect":
            await self.on_nc_connect(session, MessageFactory.from_chunk(chunk))
        elif name == b"createStream":
            await self.on_nc_create_stream(session, MessageFactory.from_chunk(chunk))
        elif name == b"publish":
            session.state["name"] = self.stream_name(chunk)
            await self.on_ns_publish(session, MessageFactory.from_chunk(chunk))
        elif name == b"play":
            self.players.setdefault(self.stream_name(chunk), []).append(session)
            await self.hand_on(session, Chunk(0, 3, 0, len(PLAY_STARTED), COMMAND_TYPE, 1, PLAY_STARTED))

    async def hand_on(self, player: SessionManager, chunk: Chunk) -> None:
        player.previous_chunk_for_writing = None
        player.write_chunk_to_stream(chunk)
        await player.drain()

    @staticmethod
    def stream_name(chunk: Chunk) -> str:
        # Name, transaction (9 bytes), null, then the string that is meant.
        at = 3 + chunk.payload[2] + 9 + 1
        length = int.from_bytes(chunk.payload[at + 1 : at + 3], "big")
        return chunk.payload[at + 3 : at + 3 + length].decode()


async def main(port: int) -> None:
    logging.disable(logging.CRITICAL)
    relay = Relay()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: RTMPProtocol(controller=relay), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
