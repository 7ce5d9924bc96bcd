"""How ledgers name people: for reading, with the account's number, because names change."""

import re

_NUMBER = re.compile(r"\(#(\d+)\)\Z")
_MAKER = re.compile(r"\(made by #(\d+)\)\Z")
_NUMBERS = re.compile(r" \((?:made by )?#")
_LONGEST = 120  # characters of a program's name: with the number no more than ledgers take


def number_of(actor: str) -> int | None:
    """The account's number in `ada (#7)`; None for Slipway itself, and for those without an account."""
    found = _NUMBER.search(actor)
    return int(found[1]) if found else None


def program(name: str, maker: str) -> str:
    """How a program stands in ledgers, with the number of whoever made it; `maker` as ledgers name them."""
    number = number_of(maker)
    return name[:_LONGEST] if number is None else f"{name[:_LONGEST]} (made by #{number})"


def maker_of(actor: str) -> int | None:
    """The account's number of whoever made the program that acted; None for a person, and where nobody knows."""
    found = _MAKER.search(actor)
    return int(found[1]) if found else None


def name_of(actor: str) -> str:
    """The name for reading, without numbers."""
    return _NUMBERS.split(actor, maxsplit=1)[0]
