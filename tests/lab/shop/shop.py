"""A small shop window: it greets, tells its version, and says whether it is well."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from catalogue import cheapest

VERSION = "@VERSION@"
HEALTHY = True
STOCK = {"kettle": 2900, "teapot": 4500, "cup": 700}


def home() -> dict:
    """What the front page says."""
    greeting = os.environ.get("SHOP_GREETING", "hello")
    return {"version": VERSION, "greeting": greeting, "bargain": cheapest(STOCK)}


def answer(path: str) -> tuple:
    """The status and the value for one path."""
    if path == "/":
        return 200, home()
    if path == "/healthz":
        return (200, {"status": "ok"}) if HEALTHY else (500, {"status": "the shelves are empty"})
    return 404, {"error": "no such page"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, value = answer(self.path)
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
