"""Fetches the page's two foreign libraries anew, checks them, and writes `README.md`. Needs npm; run by hand.

    python app/dashboard/vendor/revendor.py

Change a version here, run it, look at the difference, run `tests/e2e/test_page.py`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Library:
    package: str
    version: str
    licence: str
    file: str
    save_as: str
    why: str


LIBRARIES = (
    Library(
        "hls.js",
        "1.7.4",
        "Apache-2.0",
        "dist/hls.min.js",
        "hls.min.js",
        "plays HLS where the browser does not; the light build lacks the separate audio track",
    ),
    Library(
        "socket.io-client",
        "4.8.4",
        "MIT",
        "dist/socket.io.min.js",
        "socket.io.min.js",
        "live updates",
    ),
)
HEAD = """# Foreign files of the page

Copied unchanged from npm packages by `revendor.py`; licences lie beside them. No other file comes from elsewhere,
and the page loads nothing from other servers.

| file | package | licence | for | sha256 of the file | integrity of the package |
|---|---|---|---|---|---|
"""


def main() -> int:
    rows = [vendor(library) for library in LIBRARIES]
    (HERE / "README.md").write_text(HEAD + "".join(rows))
    return 0


def vendor(library: Library) -> str:
    """Write the library's file and licence; returns its row of the table."""
    name = f"{library.package}@{library.version}"
    with tempfile.TemporaryDirectory() as folder:
        packed = json.loads(run("npm", "pack", "--json", "--pack-destination", folder, name))[0]
        content = (Path(folder) / packed["filename"]).read_bytes()
    digest = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if digest != packed["integrity"]:
        raise SystemExit(f"{name} is not what npm says it is")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        script = member(archive, library.file)
        licence = member(archive, "LICENSE")
    (HERE / library.save_as).write_bytes(script)
    (HERE / f"{library.save_as.removesuffix('.min.js')}.LICENSE.txt").write_bytes(licence)
    return (
        f"| `{library.save_as}` | {name} | {library.licence} | {library.why} | "
        f"`{hashlib.sha256(script).hexdigest()}` | `{digest}` |\n"
    )


def member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"package/{name}")
    if file is None:
        raise SystemExit(f"the package has no {name}")
    return file.read()


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - fixed words


if __name__ == "__main__":
    sys.exit(main())
