"""`python -m installer`: the order of the steps, and nothing else."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from installer.environment import Environment, InstallError
from installer.remove import uninstall

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    options = _options()
    environment = Environment(ROOT)
    if options.uninstall:
        return uninstall(ROOT, purge=options.purge, dry_run=options.dry_run)
    try:
        if options.dry_run:
            return _dry_run(environment, options.config, run=options.run)
        environment.install()
        configure = [str(environment.python), "-m", "installer.configure", str(options.config)]
        code = subprocess.run(configure, cwd=ROOT, check=False).returncode
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if code != 0:
        return code
    if options.run:
        _become(environment.command)
    print(f"\ninstalled. Start everything with:\n\n  cd {ROOT} && .venv/bin/encoder-manager up\n")
    return 0


def _become(command: Path) -> NoReturn:
    """Ctrl-C and exit codes are then the program's own."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(command, [str(command), "up"])  # noqa: S606 - the program just installed


def _dry_run(environment: Environment, config: Path, *, run: bool) -> int:
    steps = environment.missing()
    for step in (*steps, f"read {config}", "make missing secrets and missing lines of .env"):
        print(f"would {step}")
    if run:
        print(f"would start {environment.command} up")
    return 0


def _called_from(path: str) -> Path:
    """`path` as the caller of the script means it, which has gone to its own directory since."""
    return Path(os.environ.get("CALLED_FROM", "."), path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="encoder_manager_setup", description=__doc__)
    parser.add_argument("--run", action="store_true", help="start everything once it is installed")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--config", type=_called_from, default=ROOT / "installer-config.yml", help="answers")
    parser.add_argument("--uninstall", action="store_true", help="remove the virtual environment")
    parser.add_argument("--purge", action="store_true", help="with --uninstall: data and .env too")
    options = parser.parse_args()
    if options.purge and not options.uninstall:
        parser.error("--purge goes with --uninstall")
    return options


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        print("\nstopped; run it again to go on", file=sys.stderr)
        raise SystemExit(130) from None
