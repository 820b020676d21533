"""Numbers that the device's engines use for their states and commands (AJA REST API, HELO commands). Nouns only."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """Of streaming and of recording."""

    UNINITIALIZED = 0
    IDLE = 1
    RUNNING = 2
    BLOCKED = 3
    """Idle, and something keeps it from starting."""
    FAILED = 4
    """It ran and broke; it may be trying again."""
    SHUTDOWN = 5


class Command(IntEnum):
    NONE = 0
    START_RECORDING = 1
    STOP_RECORDING = 2
    START_STREAMING = 3
    STOP_STREAMING = 4
    SHUT_DOWN = 5


class Boot(IntEnum):
    """`SystemState` on its way up."""

    UNINITIALIZED = 0
    CONFIG = 1
    FIRMWARE = 2
    INITIALIZED = 3
    RUNNING = 4


class Result(IntEnum):
    """Of storing, recalling or erasing a preset."""

    NONE = 0
    WORKING = 1
    DONE = 2
    FAILED = 3
    EMPTY = 4


class Stop(IntEnum):
    """`LossOfVideoRecordBehavior`."""

    AT_LOSS = 0
    NEVER = 2
    """Goes on with the internal test pattern."""


SUBSYSTEM_RUNNING = 3
SUBSYSTEM_SHUTDOWN = 6
FIRMWARE_RUNNING = 2
RTMP = 0
"""`StreamType`."""
TEST_PATTERN = 2
"""`VideoInSelect`."""
