"""Certificates that are served, and the renewal of our own."""

from __future__ import annotations

from app.api.registry import Call, Endpoint, NoBody, RateKind
from app.api.schemas.certificates import (
    AcceptBody,
    AcceptedCertificate,
    CertificateList,
    OwnCertificateView,
    ReloadAnswer,
    RenewalAccepted,
    ServedCertificate,
)
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import Conflict, NotFound, TooManyRequests, Unavailable

TAG = "monitoring"


class CertificateRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._certificates = services.certificates

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="list_certificates",
                method="GET",
                path="/monitoring/certificates",
                handler=self.list_all,
                summary="Every certificate that our ports and the devices serve, and what is wrong with it",
                scope=Scope.READ,
                tag=TAG,
                answer=CertificateList,
            ),
            Endpoint(
                name="renew_certificate",
                method="POST",
                path="/monitoring/certificates/{name}/renew",
                handler=self.renew,
                summary="Renew a certificate of ours now; `own` names it whichever port serves it",
                scope=Scope.ADMIN,
                tag=TAG,
                answer=RenewalAccepted,
                status=202,
                rate=RateKind.WRITE,
                errors=(NotFound, Conflict, TooManyRequests),
            ),
            Endpoint(
                name="accept_certificate",
                method="POST",
                path="/monitoring/certificates/{name}/accept",
                handler=self.accept,
                summary="Take the certificate that a device shows now for its own; no other is accepted there",
                scope=Scope.ADMIN,
                tag=TAG,
                body=AcceptBody,
                answer=AcceptedCertificate,
                rate=RateKind.WRITE,
                errors=(NotFound, Conflict, Unavailable),
            ),
            Endpoint(
                name="reload_certificate",
                method="POST",
                path="/monitoring/certificates/reload",
                handler=self.reload,
                summary="Try out the certificate on disk and serve it; connections stay open",
                scope=Scope.ADMIN,
                tag=TAG,
                answer=ReloadAnswer,
                rate=RateKind.WRITE,
                errors=(Conflict,),
            ),
        )

    async def list_all(self, call: Call[NoBody]) -> CertificateList:
        own = self._certificates.own()
        return CertificateList(
            certificates=[ServedCertificate.of(seen) for seen in self._certificates.all()],
            own=None if own is None else OwnCertificateView.of(own),
        )

    async def renew(self, call: Call[NoBody]) -> RenewalAccepted:
        name = call.params["name"]
        self._certificates.request_renewal(name)
        return RenewalAccepted(name=name)

    async def accept(self, call: Call[AcceptBody]) -> AcceptedCertificate:
        name, fingerprint = call.params["name"], call.body.fingerprint
        await self._certificates.accept(name, fingerprint, call.who)
        return AcceptedCertificate(name=name, fingerprint=fingerprint)

    async def reload(self, call: Call[NoBody]) -> ReloadAnswer:
        return ReloadAnswer(changed=self._certificates.reload())
