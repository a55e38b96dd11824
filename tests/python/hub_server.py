"""A local server in the shape of the Hugging Face hub: model info, file tree, and files with ranges.

Enough of it for huggingface_hub: GET /api/models/{repo}[/revision/{rev}], GET .../tree/{rev}, and
HEAD/GET /{repo}/resolve/{rev}/{file}. Repositories are dicts of file contents; faults are switches.
"""

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

_LFS_SUFFIXES = (".gguf", ".safetensors")


@dataclass
class Repo:
    files: dict[str, bytes]
    is_gated: bool = False
    revisions: tuple[str, ...] = ("main",)

    @property
    def commit(self) -> str:
        return hashlib.sha1(repr(sorted(self.files)).encode()).hexdigest()

    def etag(self, file: str) -> str:
        """As the hub has it: the SHA-256 of large files, a Git blob id of 40 digits for others."""
        data = self.files[file]
        return (
            hashlib.sha256(data).hexdigest()
            if file.endswith(_LFS_SUFFIXES)
            else hashlib.sha1(data).hexdigest()
        )


@dataclass
class HubServer:
    """Use as a context manager; `url` is what HF_ENDPOINT takes."""

    repos: dict[str, Repo]
    cut_after: int | None = None  # bytes of a file after which the connection is closed
    corrupt: bool = False  # serve other bytes than the etag promises
    status: int | None = None  # answer everything with this status
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"server_state": self})
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def ranges(self, file: str) -> list[str | None]:
        """The Range headers of the GET requests for a file."""
        return [header for method, path, header in self.requests if method == "GET" and path.endswith(file)]


class _Handler(BaseHTTPRequestHandler):
    server_state: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server_state
        path = unquote(self.path.partition("?")[0])
        hub.requests.append((self.command, path, self.headers.get("Range")))
        if hub.status is not None:
            return self._error(hub.status, "broken on purpose", None)
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path)
        resolve = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        match = api or resolve
        repo = hub.repos.get(match[1]) if match else None
        if match is None or repo is None:
            return self._error(404, "Repository not found", "RepoNotFound")
        revision = (match[3] if api else match[2]) or "main"
        if revision not in (*repo.revisions, repo.commit):
            return self._error(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        if api:
            return self._info(match[1], repo) if match[2] != "tree" else self._tree(repo)
        if repo.is_gated:
            return self._error(403, "Access to model is restricted", "GatedRepo")
        if match[3] not in repo.files:
            return self._error(404, "Entry not found", "EntryNotFound")
        return self._file(repo, match[3])

    def _info(self, name: str, repo: Repo) -> None:
        siblings = [{"rfilename": file, "size": len(data)} for file, data in sorted(repo.files.items())]
        self._json(
            {
                "id": name,
                "modelId": name,
                "sha": repo.commit,
                "siblings": siblings,
                "tags": [],
                "downloads": 0,
            }
        )

    def _tree(self, repo: Repo) -> None:
        self._json(
            [
                {"type": "file", "path": file, "size": len(data), "oid": repo.etag(file)}
                for file, data in sorted(repo.files.items())
            ]
        )

    def _file(self, repo: Repo, file: str) -> None:
        hub = self.server_state
        data = repo.files[file]
        if hub.corrupt:
            data = (
                bytes(byte ^ 1 for byte in data[:64]) + data[64:-64] + bytes(byte ^ 1 for byte in data[-64:])
            )
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        begin = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Repo-Commit", repo.commit)
        self.send_header("ETag", f'"{repo.etag(file)}"')
        if file.endswith(_LFS_SUFFIXES):
            self.send_header("X-Linked-Etag", f'"{repo.etag(file)}"')
            self.send_header("X-Linked-Size", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            body = data[begin:]
            if hub.cut_after is not None:
                body = body[: hub.cut_after]
                self.close_connection = True
            self.wfile.write(body)

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, message: str, code: str | None) -> None:
        self.send_response(status)
        if code is not None:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()
