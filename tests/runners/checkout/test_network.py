"""A code host that refuses, or never answers."""

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runners.checkout import CloneFailed, Mirror
from tests.lab.patience import until
from tests.runners.checkout.ground import TOKEN, processes_with


class Code(http.server.ThreadingHTTPServer):
    """A code host that keeps what it was asked and refuses, or never answers."""

    def __init__(self, hangs: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Refuser)
        self.hangs = hangs
        self.seen: list[str | None] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/shop.git"


class _Refuser(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Code)
        server.seen.append(self.headers["Authorization"])
        if server.hangs:
            server.release.wait(300)
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(params=[False])
def code_host(request: pytest.FixtureRequest) -> Iterator[Code]:
    server = Code(hangs=request.param)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_refused_token_is_sent_to_the_host_and_shown_to_nobody(code_host: Code, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "1", code_host.url, token=TOKEN, allow_http=True)
    with pytest.raises(CloneFailed) as caught:
        mirror.refs()
    assert any(seen and seen.startswith("Basic ") for seen in code_host.seen)
    assert "token" in str(caught.value)
    assert TOKEN not in str(caught.value) + repr(mirror)


@pytest.mark.parametrize("code_host", [True], indirect=True)
def test_a_host_that_never_answers_is_given_up_and_no_process_stays(code_host: Code, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "1", code_host.url, token=TOKEN, allow_http=True, timeout_seconds=5)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(mirror.refs)
        running = until("git", lambda: processes_with(code_host.url))
        with pytest.raises(CloneFailed, match=r"did not answer within 5 seconds"):
            asked.result()
    assert running
    assert not any(TOKEN in line for line in running)
    until("the end of what was killed", lambda: not processes_with(code_host.url))
