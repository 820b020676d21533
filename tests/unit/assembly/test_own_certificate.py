"""Which settings of certificates go together, and what a process does with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.assembly.own_certificate import OwnCertificate
from app.assembly.settings import Settings
from app.domain.errors import InvalidSettings

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
