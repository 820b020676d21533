"""Which settings of certificates go together, and what a process does with them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError

from app.assembly import own_certificate
from app.assembly.own_certificate import OwnCertificate
from app.assembly.settings import Settings
from app.domain.errors import Conflict, InvalidSettings

DIRECTORY = "https://acme.example.org/directory"


def test_without_settings_there_is_no_certificate() -> None:
    assert OwnCertificate.of(Settings()) is None


def test_with_an_authority_the_pair_is_one_file_of_ours(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, acme_directory=DIRECTORY, acme_names="live.example.org", https_port=0)
    assert settings.tls_cert == settings.tls_key == tmp_path / "certificates" / "pair.pem"


def test_ports_open_before_the_first_certificate_is_issued(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, acme_directory=DIRECTORY, acme_names="live.example.org")
    first, second = OwnCertificate.of(settings), OwnCertificate.of(settings)
    assert first is not None
    assert second is not None
    assert first.pair.pair is not None
    assert second.pair.pair is not None
    # Control and gateway of one machine share it, whoever came first.
    assert first.pair.pair.digest == second.pair.pair.digest
    assert first.pair.pair.chain.leaf.names == ("live.example.org",)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"https_port": 8443}, "https_port needs"),
        ({"acme_directory": DIRECTORY}, "go together"),
        ({"acme_names": "live.example.org"}, "go together"),
        ({"acme_directory": "http://acme.example.org", "acme_names": "live.example.org"}, "acme_directory"),
        ({"acme_directory": DIRECTORY, "acme_names": "not a name"}, "acme_names"),
        (
            {"acme_directory": DIRECTORY, "acme_names": "a.example.org", "tls_cert": "a.pem", "tls_key": "b.pem"},
            "leave tls_cert",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(**given)


async def test_a_pair_that_is_refused_is_tried_again_and_its_reason_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_certificate, "WATCH_S", 0.0)
    settings = Settings(data_dir=tmp_path, acme_directory=DIRECTORY, acme_names="live.example.org")
    own = OwnCertificate.of(settings)
    assert own is not None
    tries, told = 0, asyncio.Event()

    def reload() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Conflict("it is not valid yet")
        told.set()

    with structlog.testing.capture_logs() as logs:
        watch = asyncio.create_task(own.watch(reload))
        try:
            await asyncio.sleep(0)
            own.files[0].write_bytes(b"another one")
            await asyncio.wait_for(told.wait(), 10)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
    assert [line["reason"] for line in logs] == ["it is not valid yet"]
    assert tries == 3


def test_roots_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        acme_directory=DIRECTORY,
        acme_names="live.example.org",
        certificate_roots=tmp_path / "none.pem",
    )
    with pytest.raises(InvalidSettings, match="certificate_roots"):
        OwnCertificate.of(settings)


def test_control_starts_without_files_that_only_gateways_serve(tmp_path: Path) -> None:
    files = {"tls_cert": tmp_path / "none.pem", "tls_key": tmp_path / "none.key"}
    assert OwnCertificate.of_control(Settings(data_dir=tmp_path, **files)) is None
    with pytest.raises(InvalidSettings):
        OwnCertificate.of_control(Settings(data_dir=tmp_path, https_port=0, **files))
