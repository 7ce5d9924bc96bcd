"""JSON from outside."""

import json

import pytest

from server.scm.fields import BadPayload
from server.scm.payloads import KEPT_WHOLE, decode, kept


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": "\x00"}',
        b"[" * 100_000,
        b"[" * 60 + b"]" * 60,
        b'{"a":' * 60 + b"1" + b"}" * 60,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_plain_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        decode(body)


def test_what_no_database_stores_is_replaced() -> None:
    assert decode(rb'{"a\u0000": ["\ud800", "\ud83d\ude00", "\u0000"]}') == {"a\ufffd": ["\ufffd", "😀", "\ufffd"]}


def test_a_payload_of_usual_size_is_kept_whole() -> None:
    payload = {"ref": "refs/heads/main", "commits": list(range(50))}
    assert kept(payload, KEPT_WHOLE) is payload


def test_of_a_huge_payload_an_outline_is_kept() -> None:
    payload = {"ref": "refs/heads/main", "commits": [{"message": "m" * 9000}] * 5000, "deep": [[[[[[1]]]]]]}
    size = len(json.dumps(payload))
    stored = kept(payload, size)
    assert stored["bytes"] == size
    assert stored["outline"]["ref"] == "refs/heads/main"
    assert stored["outline"]["commits"][-1] == "… (5000 items)"
    assert len(json.dumps(stored)) < 10_000
