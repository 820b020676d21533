"""The HELO driver on the wire: each way in which a device fails has its name, and no write goes twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.adapters.encoders.helo.http import Http
from app.adapters.encoders.helo.rounds import Rounds
from app.domain.device import DeviceReading, Reach
from app.domain.errors import (
    DeviceError,
    InvalidRequest,
    ManagerError,
    NotAllowed,
    NotAuthenticated,
    Unavailable,
)
from app.domain.ids import EncoderId
from app.policy.breaker import OPENS_AFTER
from app.runtime.clock import utc_now
from app.simulators.helo.parameters import plus_catalogue
from app.simulators.helo.quirks import (
    ExpiredPoll,
    Locked,
    QuietPoll,
    Quirks,
    RebootAnswer,
    Refusal,
    Unknown,
    WhileDown,
    WrongPassword,
)
from tests.contract.encoder_benches import PASSWORD, PROFILE, QUICK, DeviceBench, entry, helo_bench
from tests.integration.encoders.scripted import Scripted, drop, scripted, value
from tests.support import certificates
from tests.support.helo import helo

BOUND_S = 20.0


def driver_of(device: Scripted | str, *, password: str | None = None) -> HeloDriver:
    """One that gives up an order soon."""
    url = device if isinstance(device, str) else device.url
    patience = replace(QUICK, start_s=0.2, faulty_s=0.1)
    return HeloDriver(entry(url, password=password), cache=DescriptorCache(), patience=patience, dice=lambda: 0.0)


@contextlib.asynccontextmanager
async def closing(driver: HeloDriver) -> AsyncIterator[HeloDriver]:
    try:
        yield driver
    finally:
        await driver.close()


async def fails(driver: HeloDriver, error: type[ManagerError]) -> Reach:
    with pytest.raises(error):
        await driver.read()
    return driver.reach


@pytest.mark.parametrize(
    ("scenario", "how", "error", "reach"),
    [
        ("hang", {}, Unavailable, Reach.SLOW),
        ("slow_answers", {"seconds": 30.0}, Unavailable, Reach.SLOW),
        ("nonsense", {}, DeviceError, Reach.GARBLED),
        ("cut_answers", {}, DeviceError, Reach.GARBLED),
        ("network", {"on": False}, Unavailable, Reach.UNREACHABLE),
        ("password", {"is_now": "another"}, NotAuthenticated, Reach.LOGGED_OUT),
    ],
)
async def test_each_failure_has_its_own_error_and_its_own_name_and_is_over_with_its_cause(
    scenario: str, how: dict[str, object], error: type[ManagerError], reach: Reach
) -> None:
    async with helo_bench(password=PASSWORD) as bench:
        bench.device.apply(scenario, **how)
        assert await found(bench, error) is reach
        bench.device.apply("well")
        bench.device.apply("password", is_now=PASSWORD)
        await again_well(bench)
        assert bench.driver.reach is Reach.OK


async def found(bench: DeviceBench, error: type[ManagerError]) -> Reach:
    """How it ends once nothing is left that was read before the fault."""
    async with asyncio.timeout(BOUND_S):
        while True:
            try:
                await bench.driver.drift(PROFILE)
            except error:
                return bench.driver.reach


async def look(bench: DeviceBench, true: Callable[[DeviceReading], bool], *, within_s: float) -> DeviceReading:
    async with asyncio.timeout(within_s):
        while not true(reading := await bench.driver.read()):  # noqa: ASYNC110 - a device is asked, it owes no event
            await asyncio.sleep(0.01)
    return reading


async def again_well(bench: DeviceBench) -> None:
    async with asyncio.timeout(BOUND_S):
        while True:
            with contextlib.suppress(ManagerError):
                await bench.driver.read()
                return
            await asyncio.sleep(0.2)


async def test_one_that_answers_401_wants_a_password() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=401)

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        assert await fails(driver, NotAuthenticated) is Reach.LOGGED_OUT


async def test_one_that_is_not_ready_restarts() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=503)

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        assert await fails(driver, Unavailable) is Reach.REBOOTING


async def test_a_redirect_is_not_followed_anywhere() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return value(request, "1")

    async with scripted(elsewhere) as other:

        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": other.url + request.path_qs})

        async with scripted(answer) as device, closing(driver_of(device)) as driver:
            assert await fails(driver, DeviceError) is Reach.GARBLED
        assert not other.asked


async def test_an_answer_without_an_end_is_cut_off() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(bytes(65_536))
        return response

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        assert await fails(driver, DeviceError) is Reach.GARBLED


async def test_a_write_whose_answer_is_lost_is_never_sent_again() -> None:
    async def answer(request: web.Request) -> web.Response:
        return drop(request) if request.query.get("action") == "set" else value(request, "0")

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        await driver.reboot()
        assert device.asked["set Reboot"] == 1
        with pytest.raises(DeviceError):
            await driver.start_stream()
        assert device.asked["set ReplicatorCommand"] == 1


async def test_an_order_whose_answer_is_lost_is_done_when_the_state_says_so() -> None:
    states = iter(["1", "1", "2"])

    async def answer(request: web.Request) -> web.Response:
        if request.query.get("action") == "set":
            return drop(request)
        return value(request, next(states) if "StreamState" in request.query["paramid"] else "0")

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        await driver.start_stream()


async def test_a_restart_in_the_middle_of_its_answer_is_one_all_the_same() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b'{"paramid":')
        return drop(request)

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        await driver.reboot()
        assert device.asked["set Reboot"] == 1


async def test_a_restart_that_never_left_or_is_refused_is_none() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=403)

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        with pytest.raises(DeviceError):
            await driver.reboot()
    async with closing(driver_of(device)) as driver:
        with pytest.raises(Unavailable):
            await driver.reboot()


async def test_after_five_failures_it_is_left_in_peace() -> None:
    async def answer(request: web.Request) -> web.Response:
        return drop(request)

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        for _ in range(OPENS_AFTER):
            await fails(driver, Unavailable)
        asked = device.asked.total()
        with pytest.raises(Unavailable) as resting:
            await driver.read()
        assert device.asked.total() == asked
        assert resting.value.retry_after_s is not None
        assert resting.value.retry_after_s > 0
        assert driver.reach is Reach.UNREACHABLE


async def test_a_session_that_expired_is_renewed_with_one_login() -> None:
    async with helo_bench(password=PASSWORD) as bench:
        bench.device.apply("sessions_expire")
        await bench.driver.start_stream()
        assert bench.is_at_work


@pytest.mark.parametrize("wrong", WrongPassword)
async def test_a_wrong_password_is_said_whatever_the_device_answers_to_it(wrong: WrongPassword) -> None:
    async with helo(password=PASSWORD, quirks=Quirks(wrong_password=wrong)) as device:
        async with closing(driver_of(device.url, password="guessed")) as driver:
            assert await fails(driver, NotAuthenticated) is Reach.LOGGED_OUT
        async with closing(driver_of(device.url)) as driver:
            assert await fails(driver, NotAuthenticated) is Reach.LOGGED_OUT


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(unknown=Unknown.CLOSED, quiet_poll=QuietPoll.CLOSE, expired_poll=ExpiredPoll.OBJECT),
        Quirks(unknown=Unknown.FORBIDDEN, refusal=Refusal.FORBIDDEN, locked=Locked.FORBIDDEN),
        Quirks(reboot_answer=RebootAnswer.FIRST, while_down=WhileDown.BUSY, quiet_poll=QuietPoll.FOREVER),
        Quirks(locked=Locked.ACCEPTED, refusal=Refusal.CLAMPED, invalid_selector_names=False, tells_durations=True),
    ],
)
async def test_whatever_no_document_says_it_is_read_configured_and_started(quirks: Quirks) -> None:
    async with helo_bench(quirks=quirks) as bench:
        assert (await bench.driver.read()).has_input is True
        await bench.driver.start_stream()
        assert bench.is_at_work


async def test_an_event_makes_it_look_at_once() -> None:
    async with helo_bench() as bench:
        await look(bench, lambda reading: reading.is_well is True, within_s=BOUND_S)
        bench.device.apply("input_lost")
        # Sooner than the ten seconds after which it would be read anyway.
        await look(bench, lambda reading: reading.has_input is False, within_s=8.0)


async def test_a_refused_setting_is_named_and_secrets_are_in_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    async with helo_bench(password=PASSWORD) as bench:
        bench.device.apply("firmware", without="StreamingGOPSize,StreamingVideoBitrate")
        with pytest.raises(DeviceError, match="StreamingVideoBitrate, StreamingGOPSize"):
            await bench.driver.configure(replace(PROFILE, width=1280))
        bench.device.apply("cut_answers")
        with pytest.raises(DeviceError):
            await bench.driver.drift(PROFILE)
        await bench.driver.reboot()
    said = "".join(capsys.readouterr())
    assert "order without an answer" in said
    assert PASSWORD not in said
    assert PROFILE.stream_key.reveal() not in said


async def test_an_alarm_that_cannot_be_read_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return value(request, "#" if "Alarm" in request.query.get("paramid", "") else "1")

    async with scripted(answer) as device:
        client = HeloClient(link=Http(device.url), password=None, dice=lambda: 0.0, patience=QUICK)
        rounds = Rounds(EncoderId("helo-1"), client=client, cache=DescriptorCache())
        while device.asked["get No_Video_Input_Alarm"] < 3:
            await rounds.read()
            rounds.look_anew()
        await rounds.close()
        await client.close()
    assert "".join(capsys.readouterr()).count("No_Video_Input_Alarm") == 1


async def test_descriptors_are_fetched_once_for_each_firmware() -> None:
    listing = '[{"param_id":"eParamID_ReplicatorCommand"},{"param_id":"eParamID_ReplicatorStreamState"}]'

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=listing) if request.path == "/desc.json" else value(request, "1")

    cache = DescriptorCache()
    async with scripted(answer) as device:
        for _ in range(2):
            driver = HeloDriver(entry(device.url), cache=cache, patience=QUICK)
            async with closing(driver):
                await driver.capabilities()
                await driver.read()
                assert (await driver.read()).temperature_c is None
        assert device.asked["/desc.json"] == 1
        assert device.asked["get Temperature"] == 0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://10.0.0.1",
        "http://user:word@10.0.0.1",
        "http://10.0.0.1/path",
        "http://10.0.0.1?x=1",
        "http://2852039166",
        "http://169.254.43518",
        "http://127.1",
        "http://",
        "nonsense",
    ],
)
def test_an_address_that_is_none_of_a_device_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        driver_of(url)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "224.0.0.1", "0.0.0.0", "[::ffff:169.254.169.254]"]
)
def test_an_address_where_no_device_can_be_is_refused(host: str) -> None:
    with pytest.raises(NotAllowed):
        driver_of(f"http://{host}")


async def test_a_restart_that_is_answered_first_is_one_too() -> None:
    async with helo_bench(quirks=Quirks(reboot_answer=RebootAnswer.FIRST)) as bench:
        starts = bench.device.state()["starts"]
        await bench.driver.reboot()
        assert bench.device.state()["starts"] == starts + 1


async def test_over_tls_it_must_show_the_certificate_it_was_entered_with(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return value(request, "0")

    shown = certificates.make("helo", names=("127.0.0.1",))
    chain, key = certificates.write_pair(tmp_path, shown.key_pem, shown.pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    right = shown.certificate.fingerprint(hashes.SHA256()).hex()
    async with scripted(answer, tls=tls) as device:
        for fingerprint in ("00" * 32, None):
            refusing = HeloDriver(
                entry(device.url, fingerprint=fingerprint), cache=DescriptorCache(), patience=QUICK
            )
            async with closing(refusing) as driver:
                assert await fails(driver, Unavailable) is Reach.UNREACHABLE
        assert not device.asked
        taking = HeloDriver(entry(device.url, fingerprint=right), cache=DescriptorCache(), patience=QUICK)
        async with closing(taking) as driver:
            assert (await driver.read()).streaming is not None


def test_a_fingerprint_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        HeloDriver(entry("https://10.0.0.1", fingerprint="abc"), cache=DescriptorCache())


async def test_a_clock_that_is_set_by_hand_is_set_right_whatever_its_zone() -> None:
    async with helo_bench() as bench:
        bench.device.apply("clock", offset_s=3 * 3600.0)
        await bench.driver.sync_clock()
        told = await look(bench, lambda reading: reading.clock_offset_s is not None, within_s=BOUND_S)
        assert told.clock_offset_s is not None
        assert abs(told.clock_offset_s) <= 60.0


async def test_a_device_in_another_zone_takes_the_time_as_its_own_and_is_set_right_all_the_same() -> None:
    device_minus_ours = [-9 * 3600.0]

    async def answer(request: web.Request) -> web.Response:
        name, now = request.query["paramid"].removeprefix("eParamID_"), utc_now()
        if request.query.get("action") == "set" and name == "DateSet":
            local = datetime.strptime(request.query["value"], "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
            device_minus_ours[0] = (local - timedelta(hours=9) - now).total_seconds()
        if name == "SystemTime":
            return value(request, str(int(now.timestamp() + device_minus_ours[0])))
        return value(request, "1" if name == "ReplicatorStreamState" else "0")

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        await driver.sync_clock()
        assert abs(device_minus_ours[0]) <= 61.0
        assert device.asked["set DateSet"] == 2


async def test_a_clock_that_does_not_take_the_time_is_said() -> None:
    async def answer(request: web.Request) -> web.Response:
        return value(request, "946684800" if "SystemTime" in request.query["paramid"] else "0")

    async with scripted(answer) as device, closing(driver_of(device)) as driver:
        with pytest.raises(DeviceError):
            await driver.sync_clock()
        assert device.asked["set DateSet"] == 2


async def test_one_that_follows_a_server_is_made_to_ask_it_anew_and_its_clock_is_left_alone() -> None:
    async with helo_bench(settings={"TimeSource": 1}) as bench:
        await bench.driver.sync_clock()
        assert bench.device.unit.memory.get("TimeSource") == "1"
        assert bench.device.unit.memory.get("DateSet") == ""


async def test_it_changes_over_to_another_medium_where_there_is_one_and_else_says_why_not() -> None:
    async with helo_bench() as bench:
        with pytest.raises(DeviceError, match="no other medium"):
            await bench.driver.change_medium("primary")
        bench.device.apply("medium_inserted", place="usb", mounts_after_s=0.0)
        await bench.driver.change_medium("primary")
        assert bench.device.unit.memory.number("RecordingDestination") == 1


async def test_a_plus_is_known_by_what_it_has() -> None:
    async with helo_bench(parameters=plus_catalogue()) as bench:
        assert (await bench.driver.capabilities()).build.startswith("helo_plus ")


HEADS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nSet-Cookie: session=\xff\xfe\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n",
    b"HTTP/1.0 301 Moved\r\nLocation: http://[\r\n\r\n",
    b"HTTP/9.9 999 \r\n\r\n",
    b"",
)


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_bytes_come_back_only_errors_of_ours_come_out(seed: int) -> None:
    dice = random.Random(seed)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(dice.choice(HEADS) + dice.randbytes(dice.randrange(60)))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        async with closing(driver_of(f"http://{host}:{port}", password="word")) as driver:
            for call in (driver.read, driver.capabilities, driver.stop_stream, driver.preview):
                with pytest.raises(ManagerError):
                    await call()
