"""Takes the installation away again; what people made (data, `.env`) only when asked to."""

from __future__ import annotations

import fcntl
import shutil
import sys
from pathlib import Path


def uninstall(root: Path, *, purge: bool, dry_run: bool) -> int:
    """Exit code 0 also when nothing was there, 1 when the system runs on this directory's data."""
    if _is_in_use(_named_directory(root)):
        print(f"error: `encoder-manager up` runs on {_named_directory(root)}", file=sys.stderr)
        print("hint: stop it first: Ctrl-C where it runs, or SIGTERM to its process", file=sys.stderr)
        return 1
    doomed = [root / ".venv"]
    if purge:
        doomed += [root / ".env", data_directory(root)]
    for path in doomed:
        if not path.exists() and not path.is_symlink():
            continue
        print(f"{'would remove' if dry_run else 'removing'} {path}")
        if dry_run:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not purge:
        print(f"kept: {root / '.env'} and {data_directory(root)} (--purge removes them)")
    return 0


def _is_in_use(data: Path) -> bool:
    """Whether an `up` holds the lock that it takes in its data directory."""
    try:
        with (data / "up.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no lock was ever taken there, or it is not ours to see
    return False


def data_directory(root: Path) -> Path:
    """As `.env` names it; a directory outside the project is never touched, so the default is taken instead."""
    path = _named_directory(root)
    return path if path.is_relative_to(root) and path != root else root / "data"


def _named_directory(root: Path) -> Path:
    try:
        lines = (root / ".env").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    pairs = [line.removeprefix("export ").partition("=") for line in lines]
    named = [_unquoted(value.strip()) for name, _, value in pairs if name.strip() == "ENCMAN_DATA_DIR"]
    return (root / (named[-1] if named else "data")).resolve()


def _unquoted(value: str) -> str:
    """The other way round than `answers.py` writes it."""
    if len(value) < 2 or value[0] not in "'\"" or value[-1] != value[0]:
        return value
    return value[1:-1].replace("\\'", "'").replace("\\\\", "\\")
