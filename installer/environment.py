"""The virtual environment: made, filled with the pinned packages, known to be complete. Standard library only."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PINNED = "requirements/run.txt"


class InstallError(Exception):
    """A step failed; the text says which, and what to do."""


class Environment:
    """`root` is the project's directory; everything is made inside it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / ".venv"
        self._mark = self._folder / ".installed"

    @property
    def python(self) -> Path:
        return self._folder / "bin" / "python"

    @property
    def command(self) -> Path:
        return self._folder / "bin" / "encoder-manager"

    def missing(self) -> tuple[str, ...]:
        """What `install` would do now, in words; empty: nothing."""
        steps: list[str] = []
        if not self._usable():
            steps.append(f"make {self._folder}")
        if not self._complete():
            steps += [f"install the packages of {PINNED}, checked by hash", "install the project into it"]
        return tuple(steps)

    def install(self) -> None:
        """Does only what is missing. Raises InstallError."""
        if not self._usable():
            print(f"making {self._folder}", flush=True)
            # What cannot run (Python was removed or moved) is of no use to anyone.
            shutil.rmtree(self._folder, ignore_errors=True)
            self._run([sys.executable, "-m", "venv", str(self._folder)], "the virtual environment cannot be made")
        if self._complete():
            return
        print(f"installing the packages of {PINNED} (about 150 MB the first time)", flush=True)
        hint = "packages cannot be installed; is the package index reachable?"
        self._pip(["--require-hashes", "-r", PINNED], hint)
        self._pip(["--no-deps", "--no-build-isolation", "-e", "."], "the project itself cannot be installed")
        self._mark.write_text(self._fingerprint(), encoding="utf-8")

    def _pip(self, arguments: list[str], hint: str) -> None:
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        self._run([str(self.python), "-m", "pip", "install", *quiet, *arguments], hint)

    def _run(self, command: list[str], hint: str) -> None:
        if subprocess.run(command, cwd=self._root, check=False).returncode != 0:
            raise InstallError(f"{hint} (the lines above say why)")

    def _usable(self) -> bool:
        try:
            return (
                subprocess.run([self.python, "-c", "import pip"], check=False, capture_output=True).returncode == 0
            )
        except OSError:
            return False

    def _complete(self) -> bool:
        return (
            self.command.exists()
            and self._mark.exists()
            and self._mark.read_text(encoding="utf-8") == self._fingerprint()
        )

    def _fingerprint(self) -> str:
        """Changes when the pinned packages or the project's own metadata do."""
        digest = hashlib.sha256()
        for name in (PINNED, "pyproject.toml"):
            digest.update((self._root / name).read_bytes())
        return digest.hexdigest()
