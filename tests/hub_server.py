"""A server on the loopback interface that answers like the Hugging Face hub: what its client asks for, no more."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_loopback"


@dataclass(frozen=True)
class Repository:
    """Files by name, and who may read them; `gated` shows its list to everyone, but its files to no stranger."""

    files: Mapping[str, bytes]
    private: bool = False
    gated: bool = False


@dataclass
class Hub:
    """What the server holds and what it was asked: (method, path, authorization)."""

    repositories: dict[str, Repository]
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    broken: bool = False
    endpoint: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *arguments: object) -> None:
        """Keep the output of the tests clean."""

    def _answer(self, *, with_body: bool) -> None:
        authorization = self.headers.get("Authorization")
        path = self.path.partition("?")[0]
        self.hub.requests.append((self.command, path, authorization))
        if self.hub.broken:
            self._send(503, b"", {}, with_body)
            return
        api = re.fullmatch(r"/api/(?:models|datasets)/(.+?)/(revision|tree)/([^/]+)", path)
        file = re.fullmatch(r"/(?:datasets/)?(.+?)/resolve/([^/]+)/(.+)", path)
        found = api or file
        name = found[1] if found else ""
        if moved := self.hub.redirects.get(name):
            self._send(307, b"", {"Location": path.replace(name, moved, 1)}, with_body)
            return
        repository, known = self.hub.repositories.get(name), authorization == f"Bearer {TOKEN}"
        if repository is None or (repository.private and not known):
            self._send(404 if known else 401, b"{}", {"X-Error-Code": "RepoNotFound"}, with_body)
        elif api:
            self._send(200, json.dumps(self._listing(name, repository, api[2])).encode(), {}, with_body)
        elif repository.gated and not known:
            self._send(401, b"{}", {"X-Error-Code": "GatedRepo"}, with_body)
        elif file and file[3] in repository.files:
            self._send_file(repository.files[file[3]], with_body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"}, with_body)

    def _listing(self, name: str, repository: Repository, kind: str) -> Any:
        if kind == "revision":
            return {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in repository.files]}
        return [
            {"type": "file", "path": file, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for file, data in repository.files.items()
        ]

    def _send_file(self, data: bytes, with_body: bool) -> None:
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self._send(200, data, headers, with_body)
            return
        start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        self._send(206, data[start : end + 1], headers, with_body)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], with_body: bool) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Answer for `hub` at `hub.endpoint` while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
