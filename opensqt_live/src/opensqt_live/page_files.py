"""The page and everything it loads: files of this package, served from memory under a strict policy."""

import hashlib
import mimetypes
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import attrs

from opensqt_live.settings import ServerSettings, origin_of

FOLDER = Path(str(files("opensqt_live"))) / "page"
INDEX = "live.html"
MISSING = (
    "The page is not built. In a checkout: npm --prefix web ci && npm --prefix web run build\n"
    "Installed from a wheel, it is part of it: install opensqt-live again.\n"
)


@attrs.frozen
class File:
    """One file."""

    body: bytes
    type: str
    etag: str


class Page:
    """The files by their path below `/`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._files: Mapping[str, File] = {}

    def file(self, path: str) -> File | None:
        """Return the file of a path, or None. A page that was built after the start is found."""
        if INDEX not in self._files:
            self._files = _read(self._folder)
        return self._files.get(path)


def _read(folder: Path) -> Mapping[str, File]:
    if not folder.is_dir():
        return {}
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: _file(name, path.read_bytes()) for name, path in paths.items()}


def _file(name: str, body: bytes) -> File:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind = f"{kind}; charset=utf-8"
    return File(body, kind, hashlib.sha256(body).hexdigest()[:16])


def security_headers(server: ServerSettings) -> Mapping[str, str]:
    """Return the headers of every answer: this origin's own files run, and only named daemons are asked."""
    connect = ["'self'"]
    for address in (server.public_url, *server.connect_origins):
        origin = origin_of(address, "http", "https", "ws", "wss")
        if origin is not None:
            scheme, _, rest = origin.partition("://")
            secure = scheme in ("https", "wss")
            connect += [f"{'wss' if secure else 'ws'}://{rest}", f"{'https' if secure else 'http'}://{rest}"]
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        f"connect-src {' '.join(dict.fromkeys(connect))}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
