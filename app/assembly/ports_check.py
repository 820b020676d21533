"""Whether the ports this machine is to listen on are free, asked before any process is started."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from app.domain.errors import InvalidSettings


@dataclass(frozen=True, slots=True)
class Door:
    """A listener to be; `option` is what a person changes to move it."""

    what: str
    host: str
    port: int
    option: str


def free_doors(doors: tuple[Door, ...]) -> tuple[int, ...]:
    """The port of each door, in order; port 0 becomes one that is free now.

    Raises InvalidSettings that names every door that cannot be opened and why.
    """
    faults: list[str] = []
    errors: list[OSError] = []
    ports: list[int] = []
    held: list[socket.socket] = []  # until all are found, so that no two doors get the same port
    try:
        for door in doors:
            try:
                listener = _bind(door)
            except OSError as error:
                faults.append(_why(door, error))
                errors.append(error)
            else:
                held.append(listener)
                ports.append(listener.getsockname()[1])
    finally:
        for listener in held:
            listener.close()
    if faults:
        raise InvalidSettings(
            "\n".join(["cannot listen:", *(f"  - {fault}" for fault in faults)]), hint=_hint(errors)
        )
    return tuple(ports)


def _bind(door: Door) -> socket.socket:
    family, kind, proto, _, address = socket.getaddrinfo(
        door.host, door.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, proto)
    try:
        # As the servers do: a port whose old connections linger is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def _why(door: Door, error: OSError) -> str:
    place = f"{door.what}: port {door.port} of {door.host}"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use by another program; free it or choose another with {door.option}"
    if error.errno == errno.EACCES:
        return f"{place} is reserved for root; choose one above 1023 with {door.option}"
    if _is_elsewhere(error):
        return f"{door.what}: {door.host} is no address of this machine"
    return f"{place}: {error.strerror or error}"


def _is_elsewhere(error: OSError) -> bool:
    return error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror)


def _hint(errors: list[OSError]) -> str | None:
    if any(error.errno == errno.EADDRINUSE for error in errors):
        return "`ss -ltnp` shows who holds a port"
    if any(_is_elsewhere(error) for error in errors):
        return "`ip address` lists this machine's; 0.0.0.0 (--host) stands for all of them"
    return None
