"""A real ACME server, private to one test: Pebble, with the name server that leads it to the loopback."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from tests.support.certificates import Authority, write_pair
from tests.support.peers import free_port, program, wait_for


@dataclass(frozen=True, slots=True)
class Pebble:
    """`ca`: the root of its own HTTPS; `http_port`: where it looks for the answers to its challenges."""

    directory: str
    management: str
    http_port: int
    ca: Path
    log: Path

    def root(self) -> x509.Certificate:
        """Of the certificates that it issues."""
        with urllib.request.urlopen(f"{self.management}/roots/0", context=self._trusting(), timeout=10) as answer:
            return x509.load_pem_x509_certificate(answer.read())

    def orders(self) -> int:
        """How many orders it took."""
        return self.log.read_text(encoding="utf-8").count("Added order ")

    def says(self, text: str) -> int:
        return self.log.read_text(encoding="utf-8").count(text)

    def _trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@contextlib.contextmanager
def pebble(
    folder: Path,
    *,
    http_port: int | None = None,
    bad_nonces_percent: int = 0,
    most_sleep_s: int = 0,
    life_s: int = 864_000,
    reuse_percent: int = 0,
) -> Iterator[Pebble]:
    """`most_sleep_s`: it waits up to so long before it looks at a proof. `reuse_percent`: of proofs from before."""
    binary = program("pebble", package="pebble")
    names = program("pebble-challtestsrv", package="pebble")
    folder.mkdir(parents=True, exist_ok=True)
    ca = Authority.make("Pebble's own")
    own = ca.leaf("localhost", "127.0.0.1")
    cert, key = write_pair(folder, own.key_pem, ca.chain(own))
    (folder / "ca.pem").write_bytes(ca.root.pem)
    port, management, dns, dns_management = (free_port() for _ in range(4))
    http_port = http_port or free_port()
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(cert),
        "privateKey": str(key),
        "httpPort": http_port,
        "tlsPort": free_port(),
        "certificateValidityPeriod": life_s,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    told = {
        "PEBBLE_WFE_NONCEREJECT": str(bad_nonces_percent),
        "PEBBLE_AUTHZREUSE": str(reuse_percent),
        **({"PEBBLE_VA_SLEEPTIME": str(most_sleep_s)} if most_sleep_s else {"PEBBLE_VA_NOSLEEP": "1"}),
    }
    off = ("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "")
    resolver = [names, "-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{dns_management}", *off]
    server = [binary, "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"]
    log = folder / "pebble.log"
    with _running(resolver, folder / "names.log", {}), _running(server, log, told) as process:

        def is_up() -> bool:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            # It says so a moment before it listens.
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return "ACME directory available" in log.read_text(encoding="utf-8")
            return False

        wait_for("Pebble is up", is_up)
        base = f"https://127.0.0.1:{management}"
        yield Pebble(f"https://127.0.0.1:{port}/dir", base, http_port, folder / "ca.pem", log)


@contextlib.contextmanager
def _running(command: list[str], log: Path, told: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **told}, process_group=0
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
