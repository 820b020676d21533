"""`encoder-manager up` with its real parts: restarted when they die, gone when it is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.system import System, running_system
from tests.support.peers import program, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("up") / "data") as system:
        yield system


def run(system: System, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "--data", str(system.data_dir), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=system.data_dir)


@pytest.mark.parametrize("part", ["gateway", "control", "encoder"])
def test_a_part_that_is_killed_is_started_again(system: System, part: str) -> None:
    before = {child.pid for child in system.children(part)}
    killed = system.children(part)[0]
    killed.kill()
    wait_for(f"another {part}", lambda: {child.pid for child in system.children(part)} - before)
    wait_for("everything is well again", lambda: run(system, "doctor").returncode == 0, within_s=40)
    assert "part died, starting it again" in system.log.read_text()


def test_when_up_itself_is_killed_every_part_ends(tmp_path: Path) -> None:
    with running_system(tmp_path / "data") as own:
        parts = psutil.Process(own.process.pid).children(recursive=True)
        assert len(parts) >= 4
        os.kill(own.process.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(parts, timeout=30)
        for left in alive:
            left.kill()
    assert alive == []


def test_a_second_up_in_the_same_place_is_refused(system: System) -> None:
    second = run(system, "up", "--data", str(system.data_dir), "--control-port", "0")
    assert second.returncode == 1
    assert "another `encoder-manager up`" in second.stderr


def test_the_commands_find_the_running_system_and_agree_with_it(system: System) -> None:
    opened = run(system, "streams", "init", "--name", "mine")
    assert opened.returncode == 0, opened.stderr
    stream_id = next(word for word in opened.stdout.split() if word.startswith("str_"))
    assert system.facts["rtmp_url"] in opened.stdout
    assert "mine" in run(system, "streams", "list").stdout
    for words in (("streams", "show"), ("streams", "health"), ("watch", "--count", "1")):
        assert run(system, *words, stream_id).returncode == 0
    assert run(system, "streams", "end", stream_id).returncode == 0
    assert run(system, "streams", "show", "str_nothing").returncode == 4


def test_encoders_and_keys_are_managed_from_the_command_line(system: System) -> None:
    assert run(system, "encoders", "drain", "encoder-1").returncode == 0
    assert "draining" in run(system, "encoders", "show", "encoder-1").stdout
    assert run(system, "encoders", "undrain", "encoder-1").returncode == 0
    made = run(system, "keys", "create", "reader", "--scope", "read")
    assert made.returncode == 0, made.stderr
    key_id = next(word.strip(",") for word in made.stderr.split() if word.startswith("key_"))
    assert system.call("GET", "/api/streams", key=made.stdout.strip()).status == 200
    assert key_id in run(system, "keys", "list").stdout
    assert run(system, "keys", "revoke", key_id).returncode == 0
    assert system.call("GET", "/api/streams", key=made.stdout.strip()).status == 401


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_test_card_is_seen_and_its_stream_ends_with_it(system: System, end: signal.Signals) -> None:
    command = [sys.executable, "-m", "app", "--data", str(system.data_dir), "publish", "testcard"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as publisher:
        live = wait_for("a live stream", lambda: streams(system, "live"), within_s=40)
        publisher.send_signal(end)
        _, said = publisher.communicate(timeout=30)
        assert (publisher.returncode, said) == (0, "")
    assert live <= streams(system, "ended")


def test_a_file_is_published_to_a_stream_that_is_open(system: System, tmp_path: Path) -> None:
    ffmpeg = program("ffmpeg", package="ffmpeg")
    file = tmp_path / "film.mp4"
    make = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=3"]
    subprocess.run([*make, "-c:v", "libx264", "-g", "60", str(file)], check=True, timeout=60)
    opened = system.open_stream(resolution="640x360", bitrate=1_000_000)
    key = {"ENCMAN_STREAM_KEY": opened["stream_key"]}
    command = [sys.executable, "-m", "app", "--data", str(system.data_dir)]
    command += ["publish", str(file), opened["stream_id"]]
    result = subprocess.run(command, env=os.environ | key, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    wrong = os.environ | {"ENCMAN_STREAM_KEY": "x" * 43}
    refused = subprocess.run(command, env=wrong, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "error:" in refused.stderr


def streams(system: System, state: str) -> set[str]:
    return {one["stream_id"] for one in system.call("GET", "/api/streams").body["streams"] if one["state"] == state}


def test_no_secret_is_in_an_argument_or_in_the_log(system: System) -> None:
    kept = (system.data_dir / "secrets.env").read_text()
    secrets = [line.partition("=")[2] for line in kept.splitlines() if "=" in line]
    assert len(secrets) == 4
    opened = system.open_stream()
    seen = system.log.read_text()
    for child in psutil.Process(system.process.pid).children(recursive=True):
        seen += " ".join(child.cmdline())
    assert [secret for secret in [*secrets, opened["stream_key"]] if secret in seen] == []


def test_a_port_in_use_is_named_with_its_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "app", "up", "--data", str(tmp_path), "--control-port", "0"]
        command += ["--http-port", "0", "--rtmp-port", str(port)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 78
    assert f"port {port} of 127.0.0.1 is in use" in result.stderr
    assert "--rtmp-port" in result.stderr
