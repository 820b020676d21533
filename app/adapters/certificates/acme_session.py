"""One conversation with an ACME server: the requests that an order needs, each one a call. Blocking."""

from __future__ import annotations

from typing import Any, Final

from acme import challenges, errors, messages
from cryptography import x509
from josepy.interfaces import JSONDeSerializable

from app.adapters.certificates.acme_wire import Network, NewOrder, words

MOST_PAGES: Final = 10
_UNDER_WAY: Final = ("pending", "ready")


class AcmeSession:
    """Raises messages.Error for what the server refuses, and whatever its HTTP client raises."""

    def __init__(self, net: Network, directory_url: str) -> None:
        self.net = net
        self._directory = messages.Directory.from_json(net.get(directory_url).json())
        self._account_url = ""

    @property
    def knows_renewals(self) -> bool:
        return "renewalInfo" in self._directory.to_json()

    def account(self, contact: str | None) -> str:
        """URL of the account of this key, which is made when there is none."""
        self.net.account = None
        wish = messages.NewRegistration.from_data(email=contact, terms_of_service_agreed=True)
        answer = self._post(self._directory["newAccount"], wish)
        self._account_url = str(answer.headers["Location"])
        body = messages.Registration.from_json(answer.json())
        self.net.account = messages.RegistrationResource(body=body, uri=self._account_url)
        return self._account_url

    def new_order(self, names: tuple[str, ...], replaces: str | None) -> str:
        """Its URL. A server that had this renewal already is asked for a certificate of its own."""
        wanted = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in names]
        order = NewOrder(identifiers=wanted, replaces=replaces)
        try:
            answer = self._post(self._directory["newOrder"], order)
        except errors.ConflictError:
            answer = self._post(self._directory["newOrder"], NewOrder(identifiers=wanted))
        return str(answer.headers["Location"])

    def lost_order(self, names: tuple[str, ...]) -> str | None:
        """URL of an order under way for these names. Servers need not list them: those take such an order twice."""
        url = self._post(self._account_url, None).json().get("orders")
        for _ in range(MOST_PAGES):
            if not isinstance(url, str):
                return None
            page = self._post(url, None)
            for found in page.json().get("orders") or ():
                order = self.read(found)
                asked = {identifier.value for identifier in order.identifiers}
                if order.status.name in _UNDER_WAY and asked == set(names):
                    return str(found)
            url = page.links.get("next", {}).get("url")
        return None

    def read(self, order_url: str) -> Any:
        """The messages.Order there."""
        return messages.Order.from_json(self._post(order_url, None).json())

    def open_challenges(self, authorization_url: str) -> list[Any]:
        """Those over HTTP that are not decided yet."""
        found = self._authorization(authorization_url)
        return [
            one
            for one in found.challenges
            if isinstance(one.chall, challenges.HTTP01) and one.status.name in ("pending", "processing")
        ]

    def answer(self, challenge: Any) -> None:
        """Say that the answer can be fetched."""
        self._post(challenge.uri, challenge.chall.response(self.net.key))

    def finalise(self, url: str, request: x509.CertificateSigningRequest) -> None:
        self._post(url, messages.CertificateRequest(csr=request))

    def certificate(self, url: str) -> str:
        """The chain, PEM."""
        return str(self._post(url, None).text)

    def why_invalid(self, order: Any) -> str:
        """What the server says against the proofs, else against the order."""
        for url in order.authorizations:
            found = self._authorization(url)
            for one in found.challenges:
                if one.error is not None:
                    return f"{found.identifier.value}: {words(one.error)}"
        return words(order.error) if order.error is not None else "no reason given"

    def _authorization(self, url: str) -> Any:
        return messages.Authorization.from_json(self._post(url, None).json())

    def _post(self, url: str, content: JSONDeSerializable | None) -> Any:
        return self.net.post(url, content, new_nonce_url=self._directory["newNonce"])
