"""How ledgers name people: for reading, with the account's number, because names change."""

import re

_NUMBER = re.compile(r"\(#(\d+)\)\Z")


def number_of(actor: str) -> int | None:
    """The account's number in `ada (#7)`; None for Slipway itself, and for those without an account."""
    found = _NUMBER.search(actor)
    return int(found[1]) if found else None
