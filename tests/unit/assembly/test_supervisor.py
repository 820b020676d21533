"""What `up` starts, on which ports, and what it says."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from app.assembly import children, gateway
from app.assembly.settings import Settings
from app.assembly.sources import load_settings
from app.assembly.supervisor import found_by_commands, one_at_a_time, plans, settle_ports
from app.assembly.welcome import facts, rtmp_url, welcome
from app.domain.errors import Conflict, InvalidSettings

SECRETS = {"link_token": "hunter2-a", "key_pepper": "hunter2-b", "seal_key": "hunter2-c"}


def some(**changes: object) -> Settings:
    return Settings.model_validate({"bootstrap_api_key": "emk_live_k", **SECRETS, **changes})


def test_one_control_one_gateway_and_the_asked_number_of_encoders() -> None:
    started = plans(some(), 3)
    assert [plan.name for plan in started] == ["control", "gateway", "encoder-1", "encoder-2", "encoder-3"]
    ids = [plan.environ.get("ENCMAN_ENCODER_ID") for plan in started]
    assert ids == [None, None, "encoder-1", "encoder-2", "encoder-3"]


def test_no_secret_is_handed_to_a_child() -> None:
    handed = str(plans(some(), 2))
    assert "hunter2" not in handed
    assert "emk_live" not in handed


def test_what_is_handed_to_a_child_reads_back_as_the_same_settings(tmp_path: Path) -> None:
    settings = some(data_dir=tmp_path, rtmps_port=1936, tls_cert="c.pem", tls_key="k.pem", control_host="::1")
    environ = dict(plans(settings, 1)[0].environ) | {"ENCMAN_TLS_CERT": "c.pem", "ENCMAN_TLS_KEY": "k.pem"}
    read = load_settings(environ=environ, directory=tmp_path)
    assert read.model_dump(exclude=set(SECRETS)) | {"bootstrap_api_key": None} == settings.model_dump(
        exclude=set(SECRETS)
    ) | {"bootstrap_api_key": None}


def test_ports_that_are_left_to_the_system_are_known_before_anything_starts() -> None:
    settled = settle_ports(some(control_port=0, rtmp_port=0, http_port=0))
    ports = {settled.control_port, settled.rtmp_port, settled.http_port}
    assert 0 not in ports
    assert len(ports) == 3
    assert settled.control_url == f"http://127.0.0.1:{settled.control_port}"
    assert settled.link_token.reveal() == "hunter2-a"


def test_two_cannot_hold_one_data_directory(tmp_path: Path) -> None:
    with one_at_a_time(tmp_path), pytest.raises(Conflict, match="another"), one_at_a_time(tmp_path):
        raise AssertionError("both hold it")
    with one_at_a_time(tmp_path):
        pass


def test_a_data_directory_that_cannot_be_locked_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "up.lock").mkdir()
    with pytest.raises(InvalidSettings, match="cannot be written"), one_at_a_time(tmp_path):
        raise AssertionError("it is held")


def test_commands_find_control_while_it_runs_and_not_afterwards(tmp_path: Path) -> None:
    with found_by_commands(some(data_dir=tmp_path, control_port=18080)):
        assert "http://127.0.0.1:18080" in (tmp_path / "up.env").read_text()
    assert not (tmp_path / "up.env").exists()


def test_the_welcome_has_the_key_the_addresses_and_lines_that_a_shell_understands() -> None:
    text = welcome(some(rtmp_port=1936), encoders=2, command="./encoder-manager")
    assert "emk_live_k" in text
    assert "rtmp://127.0.0.1:1936/live" in text
    assert "./encoder-manager publish testcard" in text
    curl = next(line for line in text.replace("\\\n", " ").splitlines() if line.strip().startswith("curl"))
    words = shlex.split(curl)
    assert "Authorization: Bearer emk_live_k" in words
    assert '{"resolution": "1280x720", "bitrate": 2500000, "fps": 30}' in words
    assert "hunter2" not in text


def test_the_welcome_names_a_data_directory_that_commands_would_not_find() -> None:
    assert "--data '/srv/my data' publish" in welcome(some(data_dir="/srv/my data"), encoders=1, command="em")


def test_a_line_of_the_welcome_that_looks_as_if_it_worked_anywhere_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = welcome(some(), encoders=1, command="/opt/em/bin/encoder-manager")
    assert f"/opt/em/bin/encoder-manager --data {tmp_path / 'data'} publish testcard" in text


def test_the_usual_rtmp_port_is_left_out_of_the_address() -> None:
    assert rtmp_url(some()) == "rtmp://127.0.0.1/live"


def test_addresses_of_ipv6_are_written_as_urls_want_them() -> None:
    settings = some(public_host="2001:db8::1", control_host="::")
    assert rtmp_url(settings) == "rtmp://[2001:db8::1]/live"
    assert facts(settings, encoders=1)["http_url"] == "http://[2001:db8::1]:8081"
    assert "http://[2001:db8::1]:8080/api/streams/init" in welcome(settings, encoders=1, command="em")


def test_the_gateway_ends_in_order_before_its_supervisor_loses_patience() -> None:
    assert gateway.CLOSING_S <= children.STOP_GRACE_S / 2


def test_facts_for_machines_say_where_everything_is() -> None:
    told = facts(some(public_host="example.org"), encoders=2)
    assert told["http_url"] == "http://example.org:8081"
    assert (told["api_key"], told["encoders"]) == ("emk_live_k", 2)


def test_a_first_key_that_was_revoked_is_not_shown_as_one_that_opens_doors() -> None:
    settings = some(bootstrap_api_key="emk_live_revoked")
    text = welcome(settings, encoders=1, command="em", key_works=False)
    assert "emk_live_revoked" not in text
    assert "#key=" not in text
    assert "revoked" in text
    assert '"Authorization: Bearer $ENCMAN_API_KEY"' in text
    assert facts(settings, encoders=1, key_works=False)["api_key"] is None
