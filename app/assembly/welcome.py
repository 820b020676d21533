"""What `encoder-manager up` says once everything runs: where things are, and lines to paste."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from app.assembly.addresses import page_url
from app.assembly.settings import Settings, in_url
from app.assembly.sources import SECRETS_FILE
from app.version import __version__

EXAMPLE = {"resolution": "1280x720", "bitrate": 2_500_000, "fps": 30}
_HEADER_OF_YOURS = '"Authorization: Bearer $ENCMAN_API_KEY"'


def facts(settings: Settings, *, encoders: int, key_works: bool = True) -> dict[str, object]:
    """For machines: one flat object."""
    return {
        "version": __version__,
        "control_url": settings.control_urls[0],
        "api_key": settings.bootstrap_api_key.reveal() if key_works else None,
        "rtmp_url": rtmp_url(settings),
        "http_url": f"http://{in_url(settings.public_host)}:{settings.http_port}",
        "encoders": encoders,
        "data_dir": str(settings.data_dir),
    }


def rtmp_url(settings: Settings) -> str:
    """What OBS wants as *Server*; the port is left out where it is RTMP's own."""
    port = "" if settings.rtmp_port == 1935 else f":{settings.rtmp_port}"
    return f"rtmp://{in_url(settings.public_host)}{port}/live"


def welcome(settings: Settings, *, encoders: int, command: str, key_works: bool = True) -> str:
    """For people. `command` is how this program was called; `key_works`: the first key is still taken."""
    url = page_url(settings)
    key = settings.bootstrap_api_key.reveal()
    if key_works:
        page, told, header = f"{url}/#key={key}", key, f"'Authorization: Bearer {key}'"
        about = f"kept in {settings.data_dir / SECRETS_FILE}"
    else:
        page, told, header = f"{url}/", "the first one was revoked or has expired", _HEADER_OF_YOURS
        about = "put one of yours into ENCMAN_API_KEY; the lines below take it from there"
    if Path(command).is_absolute():  # such a line looks as if it worked in any directory
        command = f"{command} --data {shlex.quote(str(settings.data_dir.absolute()))}"
    elif settings.data_dir != Settings.model_fields["data_dir"].default:
        command = f"{command} --data {shlex.quote(str(settings.data_dir))}"
    return f"""
Encoder Manager {__version__} is ready: control, gateway, {encoders} encoders.

  Page      {page}
  API       {url}/api      described by {url}/api/openapi.json
  API key   {told}
            {about}

No camera? Send the test card, in another terminal:

  {command} publish testcard

Open a stream of your own; the answer holds the server and the key as two fields:

  curl -sS {url}/api/streams/init -H {header} \\
       -H 'Content-Type: application/json' -d '{json.dumps(EXAMPLE)}'

Publish to it. OBS (Settings, Stream, Service: Custom): Server {rtmp_url(settings)}
and as Stream Key the `stream_key` of the answer. ffmpeg:

  ffmpeg -re -i FILE.mp4 -c:v libx264 -preset veryfast -b:v 2500k -g 60 -c:a aac -f flv \\
         {rtmp_url(settings)}/STREAM_KEY

Ctrl-C ends everything.
"""
