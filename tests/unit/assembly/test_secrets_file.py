"""Secrets are made once, kept private, and read back by the settings."""

from __future__ import annotations

from pathlib import Path

from app.assembly.secrets_file import MAKERS, ensure_secrets
from app.assembly.settings import Role
from app.assembly.sources import load_settings


def test_what_is_missing_is_made_and_the_settings_find_it(tmp_path: Path) -> None:
    assert set(ensure_secrets(tmp_path / "data")) == set(MAKERS)
    settings = load_settings(Role.CONTROL, environ={}, directory=tmp_path)
    assert settings.bootstrap_api_key.reveal().startswith("emk_live_")
    assert len({getattr(settings, name).reveal() for name in MAKERS}) == len(MAKERS)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.env"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    before = (tmp_path / "secrets.env").read_text()
    assert ensure_secrets(tmp_path) == ()
    assert (tmp_path / "secrets.env").read_text() == before


def test_a_file_that_lacks_one_gets_that_one(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("ENCMAN_LINK_TOKEN=mine\n")
    assert "link_token" not in ensure_secrets(tmp_path)
    assert "ENCMAN_LINK_TOKEN=mine\n" in (tmp_path / "secrets.env").read_text()


def test_what_people_wrote_is_read_back_as_it_was_when_something_is_added(tmp_path: Path) -> None:
    written = "# ours\nENCMAN_LINK_TOKEN='two words # and ${HOME}'\nENCMAN_KEY_PEPPER=\nOTHER=1"
    (tmp_path / "data").mkdir()
    (tmp_path / "data/secrets.env").write_text(written)
    assert set(ensure_secrets(tmp_path / "data")) == {"key_pepper", "seal_key", "bootstrap_api_key"}
    assert (tmp_path / "data/secrets.env").read_text().startswith(written + "\n")
    (tmp_path / "data/secrets.env").chmod(0o600)
    settings = load_settings(Role.CONTROL, environ={}, directory=tmp_path)
    assert settings.link_token.reveal() == "two words # and ${HOME}"
    assert settings.key_pepper


def test_what_is_set_elsewhere_is_not_made(tmp_path: Path) -> None:
    made = ensure_secrets(tmp_path, frozenset({"link_token", "bootstrap_api_key"}))
    assert set(made) == {"key_pepper", "seal_key"}
