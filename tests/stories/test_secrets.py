"""A secret reaches the stage that names it, and nobody else."""

import base64
import json
import re
from pathlib import Path

from websockets.sync.client import connect
from websockets.typing import Origin

from tests.lab.browser import Browser
from tests.stories.works import Works

SECRET = "s3cr3t/value+of=the-stage"
SPEC = """\
image: IMAGE
stages:
  show:
    secrets: [TOKEN]
    steps:
      - test "$(printf %s "$TOKEN" | wc -c)" = LENGTH
      - echo "whole $TOKEN whole"
      - |
        printf 'torn '
        for n in $(seq LENGTH); do printf %s "$(printf %s "$TOKEN" | cut -c "$n")"; sleep 0.02; done
        echo ' torn'
      - printf %s "$TOKEN" | base64
      - echo "$TOKEN" >&2; echo "the end"
  other:
    steps: ['echo "nothing: ${TOKEN:-unset}"']
"""


def test_a_secret_is_in_no_log_no_page_no_socket_and_no_file(works: Works) -> None:
    works.scene.operator.add_secret(works.name, "TOKEN", SECRET)
    works.push(SPEC.replace("LENGTH", str(len(SECRET))))
    works.await_log(1, "show", "whole")
    heard = _heard(works.scene.operator.browser, works.page(1, "show").text)
    works.ends(1, "succeeded")
    log = works.log(1, "show")
    assert heard == log
    assert re.search(r"whole \S*\*+\S* whole", log)
    assert re.search(r"torn \S*\*+\S* torn", log)
    assert "nothing: unset" in works.log(1, "other")
    needles = (SECRET, base64.b64encode(SECRET.encode()).decode())
    for text in (heard, log, works.page(1, "show").text, works.events(), works.scene.server.log):
        assert not [needle for needle in needles if needle in text]
    assert _files_with(works.scene.server.state, needles) == []


def _heard(browser: Browser, page: str) -> str:
    """The log as the page's WebSocket gives it, from its first byte to its end."""
    number = re.search(r'data-log="(\d+)"', page)
    assert number is not None
    address = f"{browser.url.replace('http', 'ws', 1)}/ws/live/"
    headers = {"Cookie": browser.cookie_header()}
    heard = bytearray()
    with connect(address, additional_headers=headers, origin=Origin(browser.url), open_timeout=60) as socket:
        socket.send(json.dumps({"log": int(number[1]), "from": 0}))
        for message in socket:
            if isinstance(message, bytes):
                assert int.from_bytes(message[8:16]) == len(heard)
                heard += message[16:]
            elif json.loads(message).get("closed"):
                break
    return heard.decode()


def _files_with(directory: Path, needles: tuple[str, ...]) -> list[Path]:
    """The server's files that hold a needle as it is."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [path for path in files if any(needle.encode() in path.read_bytes() for needle in needles)]
