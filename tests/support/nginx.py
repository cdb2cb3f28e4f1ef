"""A real nginx in front of a server, as a process of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.eventually import eventually
from tests.support.missing import missing

_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location = /alive {{ return 204; }}
    location /ops/ {{
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, port: int, upstream: str) -> Iterator[str]:
    """nginx on a port of loopback, with `upstream` below `/ops/`; the URL of that."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or missing("nginx")
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nginx.conf"
    text = _CONFIGURATION.format(folder=folder, port=port, upstream=upstream)
    configuration.write_text(text)
    process = subprocess.Popen([program, "-c", str(configuration), "-e", str(folder / "error.log")])
    try:
        eventually(lambda: _is_up(port))
        yield f"http://127.0.0.1:{port}/ops"
    finally:
        process.terminate()
        process.wait(60)


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/alive").status_code == 204
    except httpx.TransportError:
        return False
