"""Runs inside the virtual environment: reads the answers, writes `.env`, lets the application make its secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from installer.answers import Answers, completed, read_answers

ROOT = Path(__file__).resolve().parent.parent
EX_CONFIG = 78


def main(config: Path) -> int:
    try:
        answers = _answers(config)
    except (ValueError, yaml.YAMLError, OSError) as error:  # ValueError: wrong answers, no UTF-8, no such date
        print(f"error: {config} is not usable:\n{error}", file=sys.stderr)
        return EX_CONFIG
    if answers.packages and not _install_packages(answers.packages):
        return 1
    _write_env(ROOT / ".env", answers)
    return subprocess.run([sys.executable, "-m", "app", "secrets"], cwd=ROOT, check=False).returncode


def _answers(config: Path) -> Answers:
    return read_answers(yaml.safe_load(config.read_text(encoding="utf-8")))


def _install_packages(packages: tuple[str, ...]) -> bool:
    command = ["apt-get", "install", "-y", "--no-install-recommends", "--", *packages]
    if os.geteuid() != 0:
        print(f"error: only root installs packages; run: sudo {' '.join(command)}", file=sys.stderr)
        return False
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environ, check=False).returncode == 0


def _write_env(path: Path, answers: Answers) -> None:
    existing = path.read_text(encoding="utf-8") if path.exists() else ""
    text = completed(existing, answers.environment)
    if text == existing:
        return
    fresh = path.with_name(".env.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)
    print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
