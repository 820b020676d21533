"""Every setting of every process: name, type, default, meaning. One flat table, read once at start.

Environment (`ENCMAN_<NAME>`) wins over `.env`, `.env` over the secrets file of the data directory, that over the
YAML file, that over the defaults here. Where the values come from is `sources.py`'s business; how `.env.example`
is written from this table is `env_example.py`'s.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from app.domain.drill import DrillKind
from app.domain.mail_tls import MailTls
from app.domain.remediation import Automation
from app.domain.secret import STARS, Secret
from app.domain.severity import Severity
from app.policy.drill_plan import DrillPlan
from app.policy.lease import LEASE_S
from app.policy.placement import Panic
from app.policy.reserve import Reserve
from app.policy.signs import CPU_HIGH_PERCENT, MEMORY_HIGH_PERCENT
from app.policy.thermal_limits import HOT_C

PREFIX = "ENCMAN_"
PLAIN_NAMES = frozenset({"temp_high_threshold", "cpu_high_threshold", "memory_high_threshold"})
"""Settings that are understood without the prefix too: users of such systems write them so."""
_BASE_URL = r"https?://[^\s/,]+/?"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Role(StrEnum):
    """The process that asks: each needs secrets of its own."""

    CONTROL = "control"
    GATEWAY = "gateway"
    ENCODER = "encoder"


NEEDED: Mapping[Role, tuple[str, ...]] = {
    Role.CONTROL: ("link_token", "key_pepper", "seal_key"),
    Role.GATEWAY: ("link_token",),
    Role.ENCODER: ("link_token",),
}
"""Secrets without which a process does not start."""


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("text is needed")
    return Secret(value.strip())


def _listed(value: object) -> object:
    """`a, b` from the environment as the list that YAML gives."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


def _window(text: str) -> str:
    if text:
        DrillPlan.parse(text)
    return text


SecretText = Annotated[
    Secret,
    PlainValidator(_secret),
    PlainSerializer(lambda _: STARS, return_type=str),
    WithJsonSchema({"type": "string", "writeOnly": True}),
]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_listed)]
Port = Annotated[int, Field(ge=0, le=65_535)]
OptionalPort = Annotated[Port | None, BeforeValidator(_blank_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_is_none)]
OptionalCount = Annotated[Annotated[int, Field(ge=1, le=1000)] | None, BeforeValidator(_blank_is_none)]
Rate = Annotated[int, Field(ge=1, le=1_000_000)]
Percent = Annotated[float, Field(ge=1.0, le=100.0)]
Score = Annotated[float, Field(ge=0.0, le=100.0)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
BaseUrl = Annotated[str, Field(pattern=rf"^{_BASE_URL}$")]
HostName = Annotated[
    str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$", max_length=253)
]
HostNames = Annotated[tuple[HostName, ...], BeforeValidator(_listed)]
DrillWindow = Annotated[str, AfterValidator(_window)]
HotLimit = Annotated[float, Field(ge=40.0, le=85.0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""What an operator may call a part: it goes into URLs, metrics and logs as it is."""


def host_name() -> str:
    text = "".join(c if c.isascii() and c.isalnum() else "-" for c in socket.gethostname())
    return text.strip("-")[:48] or "local"


class Settings(BaseModel):
    """Frozen once read. A port of 0 asks the system for a free one."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    # --- this machine
    data_dir: Path = Field(Path("data"), description="Database, secrets, recordings. Made when missing.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level written.")
    log_format: Literal["pretty", "json"] = Field("pretty", description="`json` for machines that collect logs.")

    # --- control
    control_host: str = Field("127.0.0.1", description="Address control listens on.")
    control_port: Port = Field(8080, description="Port of REST, Socket.IO, the page and the link.")
    control_url: str = Field(
        "",
        pattern=rf"^{_BASE_URL}( *, *{_BASE_URL})*$",
        description="Where gateways, nodes and the command line find control; several with commas.",
    )
    leader_lease_s: float = Field(
        LEASE_S,
        ge=3.0,
        le=120.0,
        description="Of several controls on one PostgreSQL one leads; gone for so many seconds, it is replaced.",
    )
    database_url: str = Field(
        "", repr=False, description="SQLAlchemy URL, sqlite+aiosqlite or postgresql+asyncpg; may hold a password."
    )
    reads_per_minute: Rate = Field(600, description="Reading requests of one API key.")
    writes_per_minute: Rate = Field(60, description="Changing requests of one API key.")
    inits_per_minute: Rate = Field(10, description="Streams that one API key may open.")
    trusted_proxies: Networks = Field((), description="Networks whose X-Forwarded-For is believed.")

    drill_window: DrillWindow = Field(
        "", description="Time of day (UTC) in which every protected stream is drilled once, such as 02:00-04:30."
    )
    drill_kind: DrillKind = Field(DrillKind.KILL, description="What such a drill does: kill, stall or planned.")
    temp_high_threshold: HotLimit = Field(
        HOT_C,
        description="From so many °C an encoder takes nothing new. Cool is 8 below, critical 10 above, at most 90; "
        "the hard stop is 15 above, at most 95.",
    )
    panic: Panic = Field(
        Panic.LEAST_BAD,
        description="When every encoder is too hot: least_bad takes the coolest below the hard stop, refuse none.",
    )
    reserve: Reserve = Field(
        Reserve.WARN,
        description="A stream for which no second encoder has room: warn takes it unprotected, refuse does not.",
    )

    health_preventive_below: Score = Field(
        80.0, description="Below this health, 0 to 100, a stream's backup must be well itself."
    )
    health_degrade_below: Score = Field(70.0, description="Below this health quality is taken back.")
    health_reset_below: Score = Field(50.0, description="Below this health a better encoder takes the stream.")

    remediation: Automation = Field(
        Automation.ON,
        description="What is done to mend devices by itself: on, dry_run (only decided and written down), off.",
    )

    # --- alerts
    cpu_high_threshold: Percent = Field(CPU_HIGH_PERCENT, description="From so many percent CPU people are told.")
    memory_high_threshold: Percent = Field(
        MEMORY_HIGH_PERCENT, description="From so many percent memory people are told."
    )
    fault_patterns: OptionalPath = Field(
        None,
        description="YAML file with fault patterns of your own, beside the packaged ones; see docs/incidents.md.",
    )
    alert_link: OptionalText = Field(
        None, description="Address of the dashboard that messages name; empty: control_url."
    )
    telegram_chat_id: OptionalText = Field(None, description="Chat that alerts go to; empty: no Telegram.")
    telegram_severity: Severity = Field(Severity.CRITICAL, description="Least severity told by Telegram.")
    telegram_api: BaseUrl = Field("https://api.telegram.org", description="Base of Telegram's Bot API.")
    alert_email: Texts = Field((), description="Mail addresses that alerts go to, with commas; empty: no mail.")
    email_severity: Severity = Field(Severity.INFO, description="Least severity told by mail.")
    smtp_host: OptionalText = Field(None, description="Mail server.")
    smtp_port: Port = Field(587, description="Its port.")
    smtp_tls: MailTls = Field(
        MailTls.STARTTLS, description="starttls, tls, or none: in the open, for a relay on this machine."
    )
    smtp_ca: OptionalPath = Field(None, description="PEM roots for the mail server; empty: the system's.")
    smtp_user: OptionalText = Field(None, description="Empty: the mail server asks for nobody.")
    smtp_from: str = Field("encoder-manager@localhost", description="Sender of the mails.")
    webhook_severity: Severity = Field(Severity.INFO, description="Least severity told by webhooks.")
    alertmanager_urls: Texts = Field(
        (), description="Every replica of an Alertmanager, with commas: it alone tells people then."
    )

    # --- gateway
    gateway_id: Name = Field("", description="Name of this gateway, unique in the fleet.")
    rtmp_host: str = Field("127.0.0.1", description="Address the RTMP listener binds.")
    rtmp_port: Port = Field(1935, description="Port for publishers, encoder workers and RTMP viewers.")
    rtmps_port: OptionalPort = Field(None, description="Port for RTMP over TLS; empty: off.")
    content_checks: bool = Field(
        True, description="Look at pictures and sound now and then: black, frozen, silent, whose fault it is."
    )
    recordings_min_free_percent: float = Field(
        0.0,
        ge=0.0,
        le=90.0,
        description="Old recordings go, the oldest first, until so much of the disk is free; 0: none ever does.",
    )
    http_host: str = Field("127.0.0.1", description="Address of HLS and HTTP-FLV.")
    http_port: Port = Field(8081, description="Port of HLS and HTTP-FLV.")
    public_host: str = Field("127.0.0.1", description="Host that publishers and viewers are told to use.")
    allowed_private_targets: Networks = Field(
        (), description="Private networks that programmes may be pushed to; every other one is refused."
    )

    # --- certificates
    https_port: OptionalPort = Field(
        None, description="Port of control over TLS, beside the plain one; empty: off."
    )
    tls_cert: OptionalPath = Field(
        None, description="PEM chain for HTTPS and RTMPS; taken up anew when the file changes."
    )
    tls_key: OptionalPath = Field(None, description="PEM private key for HTTPS and RTMPS.")
    certificate_roots: OptionalPath = Field(
        None, description="PEM roots of an authority of your own, trusted beside the system's."
    )
    acme_directory: str = Field(
        "", pattern=r"^(https://\S+)?$", description="ACME server that issues the certificate; empty: none."
    )
    acme_names: HostNames = Field((), description="Names it is issued for; each leads to this control's port 80.")
    acme_email: OptionalText = Field(None, description="Address that the ACME server may write to.")
    acme_ca: OptionalPath = Field(
        None, description="PEM roots of the ACME server's own HTTPS; empty: the system's."
    )

    # --- encoder node
    encoder_id: Name = Field("", description="Name of this encoder, unique in the fleet.")
    encoder_name: OptionalText = Field(None, description="Name people see; empty: the id.")
    host_id: OptionalText = Field(None, description="Encoders of one host die together; empty: from the machine.")
    region: OptionalText = Field(None, description="Where this machine stands.")
    rack: OptionalText = Field(None, description="Which rack it stands in.")
    max_streams: OptionalCount = Field(None, description="Most streams at once; empty: from the machine's size.")

    # --- secrets: `encoder-manager up` and the installer make them
    link_token: SecretText = Field(Secret(""), description="Shown by gateways and nodes to control.")
    key_pepper: SecretText = Field(Secret(""), description="Keys the hashes of API keys; a change ends all keys.")
    seal_key: SecretText = Field(Secret(""), description="Seals destination URLs in the database.")
    bootstrap_api_key: SecretText = Field(Secret(""), description="Admin key installed at first start.")

    # --- secrets of those who are told of alerts
    telegram_token: SecretText = Field(Secret(""), description="Token of the Telegram bot.")
    smtp_password: SecretText = Field(Secret(""), description="Password of smtp_user.")
    webhook_urls: SecretText = Field(Secret(""), description="Addresses that alerts are posted to, with commas.")
    webhook_secret: SecretText = Field(Secret(""), description="Signs what is posted to webhook_urls.")

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: Any) -> Any:
        """Defaults that follow from other settings."""
        if not isinstance(given, dict):
            return given
        host = given.get("control_host", "127.0.0.1")
        port = given.get("control_port", 8080)
        data_dir = given.get("data_dir", "data")
        derived = {
            "control_url": f"http://{dialled(str(host))}:{port}",
            "database_url": f"sqlite+aiosqlite:///{data_dir}/encoder-manager.db",
            "gateway_id": f"gateway-{host_name()}",
            "encoder_id": f"encoder-{host_name()}",
        }
        if given.get("acme_directory") and not given.get("tls_cert"):
            # One file for both: it is replaced in one step.
            given = given | dict.fromkeys(("tls_cert", "tls_key"), Path(data_dir) / "certificates" / "pair.pem")
        return derived | {name: value for name, value in given.items() if value != "" or name not in derived}

    @property
    def control_urls(self) -> tuple[str, ...]:
        """Every address of `control_url`, without a slash at its end."""
        return tuple(url.strip().rstrip("/") for url in self.control_url.split(","))

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.health_reset_below <= self.health_degrade_below <= self.health_preventive_below:
            raise ValueError("health_preventive_below, health_degrade_below and health_reset_below must not rise")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: set both or none")
        if self.rtmps_port is not None and self.tls_cert is None:
            raise ValueError("rtmps_port needs tls_cert and tls_key")
        if self.https_port is not None and self.tls_cert is None:
            raise ValueError("https_port needs tls_cert and tls_key, or acme_directory")
        if bool(self.acme_directory) != bool(self.acme_names):
            raise ValueError("acme_directory and acme_names go together: set both or none")
        if self.acme_directory and self.tls_cert != self.tls_key:
            raise ValueError("with acme_directory the certificate is made here: leave tls_cert and tls_key out")
        for these, need in (
            (self.telegram_chat_id, ("telegram_token",)),
            (self.alert_email, ("smtp_host",)),
            (self.smtp_user, ("smtp_password",)),
            (self.webhook_urls, ("webhook_secret",)),
        ):
            missing = [name for name in need if these and not getattr(self, name)]
            if missing:
                raise ValueError(f"{missing[0]} is needed for what else is set of it")
        return self


SECRET_NAMES: tuple[str, ...] = tuple(
    name for name, field in Settings.model_fields.items() if field.annotation is Secret
)


def missing_secrets(settings: Settings, role: Role) -> list[str]:
    """Names of the secrets `role` needs and `settings` lacks."""
    return [name for name in NEEDED[role] if not getattr(settings, name)]


def dialled(host: str) -> str:
    """The address to dial for a listener bound to `host`."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return in_url(host)


def in_url(host: str) -> str:
    """`host` as it stands in a URL: addresses of IPv6 need brackets."""
    return f"[{host}]" if ":" in host else host
