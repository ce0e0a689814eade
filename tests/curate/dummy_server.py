"""A server that speaks OpenAI's `/v1/chat/completions`, and misbehaves as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes] | None
"""Status, headers and body; None: the connection is dropped."""


def completion(text: str | None, **more: Any) -> Answer:
    """A good answer; `refusal` and `finish_reason` may be given."""
    message = {"role": "assistant", "content": text, "refusal": more.pop("refusal", None)}
    choice = {"index": 0, "message": message, "finish_reason": more.pop("finish_reason", "stop")}
    return 200, {}, json.dumps({"object": "chat.completion", "choices": [choice], **more}).encode()


def fault(status: int, message: str = "", **headers: str) -> Answer:
    """An error as such servers give it; `parameter` names what was wrong with the request."""
    inner = {"message": message, "param": headers.pop("parameter", None)}
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps({"error": inner}).encode(),
    )


class Dummy:
    """What was asked of the server, and where it is."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.most = 0
        """Requests that were under way at a time."""
        self._now = 0
        self._lock = threading.Lock()

    @contextmanager
    def under_way(self, body: dict[str, Any], key: str | None, path: str) -> Iterator[int]:
        with self._lock:
            self.bodies.append(body)
            self.keys.append(key)
            self.paths.append(path)
            number = len(self.bodies) - 1
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            yield number
        finally:
            with self._lock:
                self._now -= 1


@contextmanager
def serving(answer: Callable[[int, dict[str, Any]], Answer], pause: float = 0.0) -> Iterator[Dummy]:
    """A server on a free port; `answer` is called with the number of the request, from 0, and its body. With a pause in
    seconds it sends a byte at a time."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with dummy.under_way(body, self.headers.get("Authorization"), self.path) as number:
                made = answer(number, body)
            if made is None:
                self.close_connection = True
                return
            status, headers, text = made
            self.send_response(status)
            for name, value in {"Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for n in range(len(text)) if pause else ():
                self.wfile.write(text[n : n + 1])
                time.sleep(pause)
            if not pause:
                self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    dummy = Dummy(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield dummy
    finally:
        server.shutdown()
        server.server_close()
