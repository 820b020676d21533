"""Settings from environment, .env, secrets file and YAML: who wins, and what is refused."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from app.assembly.settings import Role, Settings
from app.assembly.sources import MAX_FILE_BYTES, load_settings
from app.domain.drill import DrillKind
from app.domain.errors import InvalidSettings
from app.domain.secret import Secret
from app.policy.placement import Panic


def put(path: Path, text: str, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def faults(directory: Path, environ: dict[str, str] | None = None, role: Role | None = None) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(role, environ=environ or {}, directory=directory)
    assert caught.value.hint
    return caught.value.detail


def test_without_any_source_the_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings(environ={}, directory=tmp_path)
    assert settings == Settings()
    assert settings.control_url == "http://127.0.0.1:8080"
    assert settings.database_url == "sqlite+aiosqlite:///data/encoder-manager.db"


def test_each_source_wins_over_the_one_below(tmp_path: Path) -> None:
    put(tmp_path / "encoder-manager.yml", "rtmp_port: 1\nhttp_port: 1\ncontrol_port: 1\nregion: north\n")
    put(tmp_path / ".env", "ENCMAN_RTMP_PORT=2\nENCMAN_HTTP_PORT=2\n")
    settings = load_settings(
        environ={"ENCMAN_RTMP_PORT": "3", "HOME": "/x"}, directory=tmp_path, overrides={"rack": "r1"}
    )
    assert (settings.rtmp_port, settings.http_port, settings.control_port) == (3, 2, 1)
    assert (settings.region, settings.rack) == ("north", "r1")


def test_secrets_are_read_from_the_data_directory_that_the_other_sources_name(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere/secrets.env", "ENCMAN_LINK_TOKEN=hunter2\n")
    settings = load_settings(Role.GATEWAY, environ={"ENCMAN_DATA_DIR": "elsewhere"}, directory=tmp_path)
    assert settings.link_token == Secret("hunter2")
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())


def test_a_process_without_its_secrets_names_every_one(tmp_path: Path) -> None:
    text = faults(tmp_path, role=Role.CONTROL)
    assert all(name in text for name in ("link_token", "key_pepper", "seal_key"))
    assert "key_pepper" not in faults(tmp_path, role=Role.ENCODER)


def test_all_faults_are_listed_at_once_with_place_and_hint(tmp_path: Path) -> None:
    put(tmp_path / "encoder-manager.yml", "control_host: a\nrtmp_prot: 1935\n")
    put(tmp_path / ".env", "\nENCMAN_HTTP_PORT=many\n")
    text = faults(tmp_path, {"ENCMAN_LOG_LEVEL": "loud"})
    assert f"{tmp_path}/encoder-manager.yml:2: unknown setting rtmp_prot; did you mean rtmp_port" in text
    assert any(f"{tmp_path}/.env:{line}: ENCMAN_HTTP_PORT:" in text for line in (1, 2))
    assert "environment: ENCMAN_LOG_LEVEL:" in text


def test_an_unknown_variable_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    text = faults(tmp_path, {"ENCMAN_CONTROL_PROT": "1"})
    assert "unknown setting ENCMAN_CONTROL_PROT; did you mean ENCMAN_CONTROL_PORT?" in text


def test_a_fault_never_repeats_the_value(tmp_path: Path) -> None:
    assert "hunter2" not in faults(tmp_path, {"ENCMAN_RTMP_PORT": "hunter2"})


def test_other_peoples_lines_in_env_are_left_alone_but_a_lost_prefix_is_told(tmp_path: Path) -> None:
    put(tmp_path / ".env", "COMPOSE_PROJECT_NAME=x\nRTMP_PORT=1936\n")
    text = faults(tmp_path)
    assert "write ENCMAN_RTMP_PORT" in text
    assert "COMPOSE" not in text


def test_secrets_that_others_can_read_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "data/secrets.env", "ENCMAN_LINK_TOKEN=hunter2\n", mode=0o644)
    assert "chmod 600" in faults(tmp_path)


def test_a_secret_in_the_yaml_file_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "encoder-manager.yml", "link_token: hunter2\n")
    assert "is a secret" in faults(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("log_level: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("log_level: [\n", "not valid YAML"),
        ("- control_port\n", "is needed"),
        ("rack: a\nrack: b\n", "twice"),
        ("log_level: " + "[" * 200_000, "nested deeper"),
        ("#" * (MAX_FILE_BYTES + 1), "larger than"),
        ("log_level: \x00", "not valid YAML"),
        ("log_level: 2026-99-99\n", "not valid YAML"),
    ],
)
def test_a_bad_yaml_file_is_refused_in_words(tmp_path: Path, content: str, says: str) -> None:
    put(tmp_path / "encoder-manager.yml", content)
    assert says in faults(tmp_path)


def test_a_yaml_file_that_is_named_must_exist(tmp_path: Path) -> None:
    assert "no such file" in faults(tmp_path, {"ENCMAN_CONFIG": "other.yml"})


def test_tls_needs_both_files_and_rtmps_needs_tls(tmp_path: Path) -> None:
    assert "go together" in faults(tmp_path, {"ENCMAN_TLS_CERT": "c.pem"})
    assert "rtmps_port needs" in faults(tmp_path, {"ENCMAN_RTMPS_PORT": "1936"})


def test_networks_are_lists_in_yaml_and_commas_in_the_environment(tmp_path: Path) -> None:
    put(tmp_path / "encoder-manager.yml", "trusted_proxies: [10.0.0.0/8, '::1/128']\n")
    settings = load_settings(environ={"ENCMAN_ALLOWED_PRIVATE_TARGETS": "192.168.0.0/16"}, directory=tmp_path)
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.allowed_private_targets == (ip_network("192.168.0.0/16"),)


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080")])
def test_the_url_of_control_follows_its_address(host: str, url: str) -> None:
    assert Settings(control_host=host).control_url == url


def test_an_empty_value_means_the_default(tmp_path: Path) -> None:
    environ = {"ENCMAN_RTMPS_PORT": "", "ENCMAN_CONTROL_URL": "", "ENCMAN_MAX_STREAMS": ""}
    assert load_settings(environ=environ, directory=tmp_path) == Settings()


def test_several_controls_are_named_with_commas() -> None:
    settings = Settings(control_url="http://a:8080/, https://b")
    assert settings.control_urls == ("http://a:8080", "https://b")
    assert Settings().control_urls == ("http://127.0.0.1:8080",)


@pytest.mark.parametrize("text", ["http://a:8080,", "a:8080", "http://a http://b", "http://a,b"])
def test_a_list_of_controls_with_a_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="control_url"):
        Settings(control_url=text)


@pytest.mark.parametrize("window", ["night", "03:17", "25:00-26:00", "03:17-03:17"])
def test_a_drill_window_that_is_none_is_refused(tmp_path: Path, window: str) -> None:
    told = faults(tmp_path, {"ENCMAN_DRILL_WINDOW": window})
    assert "ENCMAN_DRILL_WINDOW: a window is two times of day" in told
    assert window not in told


def test_a_drill_window_and_what_is_done_in_panic_are_read(tmp_path: Path) -> None:
    environ = {"ENCMAN_DRILL_WINDOW": "02:00-04:30", "ENCMAN_DRILL_KIND": "planned", "ENCMAN_PANIC": "refuse"}
    settings = load_settings(environ=environ, directory=tmp_path)
    assert (settings.drill_window, settings.drill_kind) == ("02:00-04:30", DrillKind.PLANNED)
    assert settings.panic is Panic.REFUSE


def test_the_hot_limit_is_understood_by_its_plain_name_and_the_one_with_the_prefix_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TEMP_HIGH_THRESHOLD=70\n")
    assert load_settings(environ={}, directory=tmp_path).temp_high_threshold == 70.0
    plain = {"TEMP_HIGH_THRESHOLD": "75"}
    assert load_settings(environ=plain, directory=tmp_path).temp_high_threshold == 75.0
    both = plain | {"ENCMAN_TEMP_HIGH_THRESHOLD": "78"}
    assert load_settings(environ=both, directory=tmp_path).temp_high_threshold == 78.0


def test_a_hot_limit_that_would_burn_a_device_is_refused_by_the_name_it_was_written_with(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="TEMP_HIGH_THRESHOLD"):
        load_settings(environ={"TEMP_HIGH_THRESHOLD": "120"}, directory=tmp_path)
