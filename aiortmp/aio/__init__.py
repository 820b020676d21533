"""The library on asyncio: `serve` for servers, `connect` for clients."""

from aiortmp.aio.client import ClientConnection, ClientPlay, Publish, connect
from aiortmp.aio.gathering import Gathering
from aiortmp.aio.requests import ConnectRequest, Play, PlayRequest, Publication, PublishRequest
from aiortmp.aio.sending import MediaSender
from aiortmp.aio.server import Server, ServerConnection, ServerHandler, serve
from aiortmp.aio.transport import MediaSink

__all__ = [
    "ClientConnection",
    "ClientPlay",
    "ConnectRequest",
    "Gathering",
    "MediaSender",
    "MediaSink",
    "Play",
    "PlayRequest",
    "Publication",
    "Publish",
    "PublishRequest",
    "Server",
    "ServerConnection",
    "ServerHandler",
    "connect",
    "serve",
]
