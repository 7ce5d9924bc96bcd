"""A mail server that takes what is sent to it and keeps it to be looked at: SMTP as far as mail needs it."""

import contextlib
import email
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as it was handed over; `to` are the recipients of its envelope."""

    sender: str
    to: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return _part(self.message, "plain")

    @property
    def html(self) -> str:
        return _part(self.message, "html")


@dataclass(slots=True)
class Mailbox:
    """`refusals` are said in turn instead of taking a letter, e.g. `451 try again later`."""

    url: str = ""
    letters: list[Letter] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def subjects(self) -> list[str]:
        return [letter.subject for letter in self.letters]


@contextlib.contextmanager
def mailbox(address: str = "127.0.0.1") -> Iterator[Mailbox]:
    """Run a mail server; `url` is how Slipway is told of it."""
    box = Mailbox()
    with socketserver.ThreadingTCPServer((address, 0), type("Handler", (_Handler,), {"box": box})) as server:
        server.daemon_threads = True
        box.url = f"smtp://{address}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()


class _Handler(socketserver.StreamRequestHandler):
    """One connection; each of the protocol's words is a method."""

    box: ClassVar[Mailbox]

    def handle(self) -> None:
        self._say("220 lab.example ESMTP")
        self._sender, self._to = "", list[str]()
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            getattr(self, f"_{word.lower()}", self._unknown)(rest)
            if word.upper() == "QUIT":
                return

    def _ehlo(self, rest: str) -> None:
        self._say("250 lab.example")

    def _mail(self, rest: str) -> None:
        self._sender, self._to = _address(rest), []
        self._say("250 ok")

    def _rcpt(self, rest: str) -> None:
        self._to.append(_address(rest))
        self._say("250 ok")

    def _data(self, rest: str) -> None:
        if self.box.refusals:
            self._say(self.box.refusals.pop(0))
            return
        self._say("354 go on")
        message = email.message_from_bytes(b"".join(self._lines()), policy=default)
        assert isinstance(message, EmailMessage)
        self.box.letters.append(Letter(self._sender, tuple(self._to), message))
        self._say("250 taken")

    def _rset(self, rest: str) -> None:
        self._say("250 ok")

    def _quit(self, rest: str) -> None:
        self._say("221 bye")

    def _unknown(self, rest: str) -> None:
        self._say("502 what?")

    def _lines(self) -> Iterator[bytes]:
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            yield line.removeprefix(b".") if line.startswith(b"..") else line

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


def _part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    return str(found.get_content()) if found is not None else ""


def _address(words: str) -> str:
    return words.partition("<")[2].partition(">")[0]
