"""Private servers in a temporary folder, on the loopback, ended with the test: PostgreSQL, nginx-rtmp,
Prometheus, Alertmanager."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.peers import free_port, program, wait_for

NGINX_RTMP_MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"


@contextlib.contextmanager
def nginx_rtmp(applications: str = "application live { live on; }", **options: str) -> Iterator[int]:
    """Port of a real nginx-rtmp. `applications`: what its server holds, with {port} for that port; `options`: its
    other directives.
    """
    nginx = program("nginx", package="nginx", places=("/usr/sbin/nginx",))
    program(NGINX_RTMP_MODULE, package="libnginx-mod-rtmp", places=(NGINX_RTMP_MODULE,))
    port = free_port()
    directives = "".join(f"{name} {value}; " for name, value in options.items())
    with _folder("nginx") as home:
        (home / "nginx.conf").write_text(
            f"load_module {NGINX_RTMP_MODULE};\n"
            f"daemon off; master_process off; pid {home}/pid; error_log {home}/error.log info;\n"
            "events { worker_connections 1024; }\n"
            f"rtmp {{ server {{ listen 127.0.0.1:{port}; {directives} "
            f"{applications.replace('{port}', str(port))} }} }}\n"
        )
        with _running([nginx, "-p", str(home), "-c", str(home / "nginx.conf")], port=port):
            yield port


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The base URL (`postgresql://user@host:port`) of a real PostgreSQL; its superuser needs no password."""
    found = sorted(str(place) for place in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = Path(program("initdb", package="postgresql", places=tuple(reversed(found)))).resolve()
    # It refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    port = free_port()
    with _folder("postgres") as home:
        if user is not None:
            shutil.chown(home, user, user)
        data = str(home / "data")
        make = [str(initdb), "-D", data, "-U", "encman", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, user=user, cwd="/", timeout=60)
        serve = [str(initdb.with_name("postgres")), "-D", data, "-p", str(port), "-k", str(home)]
        with _running([*serve, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"], port=port, user=user):
            # It listens before it has started up.
            ready = [str(initdb.with_name("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_for("PostgreSQL takes connections", lambda: subprocess.run(ready, timeout=10).returncode == 0)
            yield f"postgresql://encman@127.0.0.1:{port}"


@contextlib.contextmanager
def prometheus(config: str, files: Path) -> Iterator[str]:
    """The base URL of a real Prometheus. `files`: the folder that the paths in `config` are relative to."""
    found = program("prometheus", package="prometheus")
    port = free_port()
    with _folder("prometheus") as home:
        (files / "prometheus.yml").write_text(config)
        # What fires before it has found its Alertmanagers is told again after seconds, not after a minute.
        command = [found, f"--config.file={files}/prometheus.yml", "--rules.alert.resend-delay=2s"]
        command += [f"--storage.tsdb.path={home}/data"]
        with _running([*command, f"--web.listen-address=127.0.0.1:{port}"], port=port):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def alertmanager(config: str, *, templates: Path, port: int, peers: tuple[int, ...] = ()) -> Iterator[str]:
    """The base URL of a real Alertmanager. `peers`: its own port for the other replicas, then theirs; none: it is
    alone."""
    found = program("prometheus-alertmanager", package="prometheus-alertmanager")
    cluster = [f"--cluster.listen-address=127.0.0.1:{peers[0]}"] if peers else ["--cluster.listen-address="]
    cluster += [f"--cluster.peer=127.0.0.1:{other}" for other in peers[1:]]
    # Replicas send one after the other, so far apart that each hears of what the others sent.
    cluster += ["--cluster.peer-timeout=2s"]
    with _folder("alertmanager") as home:
        (home / "alertmanager.yml").write_text(config)
        shutil.copytree(templates, home / "templates")
        command = [found, f"--config.file={home}/alertmanager.yml", f"--storage.path={home}/data"]
        with _running([*command, f"--web.listen-address=127.0.0.1:{port}", *cluster], port=port):
            yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    # Not pytest's tmp_path: its path is too long for a PostgreSQL socket, and closed to other users.
    home = Path(tempfile.mkdtemp(prefix=f"encman-{name}-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _running(command: list[str], *, port: int, user: str | None = None) -> Iterator[None]:
    """Runs until the block ends; the block begins when the port answers."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd="/", process_group=0
    )

    def answers() -> bool:
        assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    try:
        wait_for(f"{command[0]} answers on port {port}", answers)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
