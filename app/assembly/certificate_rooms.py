"""The rooms of certificates in one control, put together: what is watched, and who renews our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from app.adapters.certificates.challenges import ChallengeBook
from app.adapters.certificates.crl import RevocationLists
from app.adapters.certificates.facts import trusted_roots
from app.adapters.certificates.files import OrderBook
from app.adapters.certificates.keeper import OwnPair
from app.adapters.certificates.tls_probe import TlsProbe
from app.assembly.control_services import ControlServices
from app.assembly.own_certificate import OwnCertificate, names
from app.assembly.settings import Settings, dialled
from app.domain.certificate import Place, PlaceKind
from app.domain.device import DeviceEntry
from app.domain.errors import InvalidSettings
from app.domain.link import GatewayHello
from app.monitoring.cert_metrics import CertificateMetrics
from app.monitoring.cert_monitor import CertMonitor
from app.monitoring.cert_renewal import Renewal
from app.ports.certificates import Authority
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import OnCrash, TaskGroupKeeper, run_again

PAUSE_S: Final = 1.0
HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True)
class CertificateRooms:
    """`close`: whatever orders are under way are gone on with by the next one."""

    monitor: CertMonitor
    metrics: CertificateMetrics
    challenges: ChallengeBook
    close: Callable[[], None]

    def start(self, keeper: TaskGroupKeeper, own: OwnCertificate | None, on_crash: OnCrash) -> None:
        """Look, renew and take up what changes on disk until the keeper closes."""
        loops = [self.monitor.run, self.monitor.renew]
        if own is not None:
            loops.append(partial(own.watch, self.monitor.reload))
        for loop in loops:
            keeper.start(run_again(loop, pause_s=PAUSE_S, on_crash=on_crash), name="certificates")


def certificate_rooms(
    settings: Settings,
    services: ControlServices,
    own: OwnCertificate | None,
    https_port: Callable[[], int | None],
) -> CertificateRooms:
    """Nothing acts yet. Raises InvalidSettings."""
    roots = trusted_roots(settings.certificate_roots)
    challenges = ChallengeBook()
    keeper = renewal = None
    close: Callable[[], None] = _nothing
    if own is not None:
        keeper = OwnPair(own.pair, OrderBook(settings.data_dir / "certificates" / "orders.json"))
        if settings.acme_directory:
            authority, close = _authority(settings, challenges)
            renewal = Renewal(keeper=keeper, authority=authority, names=settings.acme_names, utc_now=utc_now)
    monitor = CertMonitor(
        places=lambda: _places(settings, services, https_port()),
        probe=TlsProbe(roots=roots, utc_now=utc_now, lists=RevocationLists()),
        keeper=keeper,
        renewal=renewal,
        names=names(settings),
        tell=services.bus.tell,
        trust=services.devices.trust,
        leads=lambda: services.standby() is None,
        utc_now=utc_now,
        monotonic=monotonic,
    )
    return CertificateRooms(monitor, CertificateMetrics(monitor.all), challenges, close)


def _authority(settings: Settings, challenges: ChallengeBook) -> tuple[Authority, Callable[[], None]]:
    try:
        # An extra of its own: it brings a second HTTP client along.
        from app.adapters.certificates.acme import AcmeAuthority
        from app.adapters.certificates.acme_files import AcmeFiles
    except ImportError as error:
        raise InvalidSettings(
            f"acme_directory is set, but {error.name} is not installed",
            hint="install the extra: pip install 'encoder-manager[acme]'",
        ) from error
    folder = settings.data_dir / "certificates"
    files = AcmeFiles(folder, directory=settings.acme_directory, names=settings.acme_names)
    authority = AcmeAuthority(files, book=challenges, contact=settings.acme_email, ca=settings.acme_ca)
    return authority, authority.close


def _places(settings: Settings, services: ControlServices, https_port: int | None) -> Iterator[Place]:
    ordered = next(iter(settings.acme_names), None)
    if https_port is not None:
        host = dialled(settings.control_host).strip("[]")
        # Without an order nobody told us by which name people reach control.
        yield Place("https", PlaceKind.OWN, host, https_port, ordered)
    for hello in services.gateways.connected():
        if hello.rtmps_port is not None:
            yield _of_gateway(hello, ordered or hello.rtmp_host)
    for entry in services.devices.entries():
        place = _of_device(entry)
        if place is not None:
            yield place


def _of_gateway(hello: GatewayHello, expects: str) -> Place:
    assert hello.rtmps_port is not None, "looked at before"
    return Place(f"rtmps-{hello.gateway_id}", PlaceKind.OWN, hello.rtmp_host, hello.rtmps_port, expects)


def _of_device(entry: DeviceEntry) -> Place | None:
    """None: it is spoken to without TLS."""
    url = urlsplit(entry.url)
    if url.scheme != "https" or url.hostname is None:
        return None
    return Place(
        name=f"device-{entry.encoder_id}",
        kind=PlaceKind.DEVICE,
        host=url.hostname,
        port=url.port or HTTPS_PORT,
        expects=url.hostname,
        pin=entry.fingerprint,
        encoder_id=entry.encoder_id,
    )


def _nothing() -> None:
    pass
