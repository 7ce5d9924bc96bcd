"""A browser without a screen: keeps cookies, follows redirects, fills in forms, presses buttons."""

import html
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar

_TIMEOUT_SECONDS = 60
_TITLE = re.compile(r"<title>(.*?)</title>", re.S)
_MAIN = re.compile(r"<main\b.*</main>", re.S)
_UNSEEN = re.compile(r"<(script|style|head)\b.*?</\1>", re.S)
_ERRORS = re.compile(r'<ul class="errorlist[^>]*>(.*?)</ul>', re.S)

Given = Mapping[str, str | Sequence[str] | None]


class Stuck(AssertionError):
    """A page is not what a person would need to go on; the message says what it shows instead."""


@dataclass(slots=True)
class Form:
    """A form as the page filled it in; `buttons` are label and what the button adds when it is pressed."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, tuple[str, str] | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """What came back for an address, after redirects."""

    url: str
    status: int
    text: str

    @property
    def title(self) -> str:
        found = _TITLE.search(self.text)
        return " ".join(html.unescape(found[1]).split()) if found else ""

    @property
    def words(self) -> str:
        """What a person reads, in one line, without what stands around every page."""
        main = _MAIN.search(self.text)
        return _words(_UNSEEN.sub(" ", main[0] if main else self.text))

    @property
    def forms(self) -> list[Form]:
        reader = _FormReader()
        reader.feed(self.text)
        return reader.forms

    def form_with(self, button: str) -> tuple[Form, tuple[str, str] | None]:
        """The form that has a button whose label begins so, and what the button adds; a disabled one is none."""
        for form in self.forms:
            for label, adds in form.buttons:
                if label.startswith(button):
                    return form, adds
        raise Stuck(f"{self.url} has no button “{button}”: {self.title}: {self.words[:600]}")


class Browser:
    """One person's browser; `url` is the site's, without a slash at its end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def open(self, address: str) -> Page:
        """Go to a path of the site, or to a whole address; any status is a page."""
        return self._ask(urllib.request.Request(urllib.parse.urljoin(self.url + "/", address)))

    def press(self, page: Page, button: str, given: Given | None = None) -> Page:
        """Press a button of the page, with its form's fields replaced by `given` (None: leave the field out).

        Raises Stuck when the form comes back with complaints, or the answer is an error.
        """
        form, adds = page.form_with(button)
        replaced = given or {}
        pairs = [pair for pair in form.fields if pair[0] not in replaced]
        for name, value in replaced.items():
            pairs += [(name, one) for one in _values(value)]
        body = urllib.parse.urlencode([*pairs, *([adds] if adds else [])]).encode()
        target = urllib.parse.urljoin(page.url, form.action or page.url)
        request = urllib.request.Request(target, body, headers={"Referer": page.url, "Origin": self.url})
        return _unless_refused(self._ask(request), button)

    def cookie_header(self) -> str:
        """The cookies as one header's value, for a WebSocket."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)

    def _ask(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return Page(answer.url, answer.status, answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Page(refusal.url, refusal.code, refusal.read().decode(errors="replace"))


def _values(value: str | Sequence[str] | None) -> Sequence[str]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _unless_refused(page: Page, button: str) -> Page:
    complaints = [_words(found) for found in _ERRORS.findall(page.text)]
    if complaints or page.status >= 400:
        told = "; ".join(complaints) or page.words[:600]
        raise Stuck(f"“{button}” was answered with {page.status} at {page.url}: {told}")
    return page


def _words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


class _FormReader(HTMLParser):
    """Fields as a browser would send them: no disabled ones, only checked boxes, only chosen options."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select: tuple[str, bool, list[tuple[str, bool]]] | None = None
        self._area: tuple[str, list[str]] | None = None
        self._button: tuple[tuple[str, str] | None, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is None or "disabled" in given:
            return
        elif tag == "input":
            self._take_input(self._form, given)
        elif tag == "select":
            self._select = (given.get("name", ""), "multiple" in given, [])
        elif tag == "option" and self._select:
            self._select[2].append((given.get("value", ""), "selected" in given))
        elif tag == "textarea":
            self._area = (given.get("name", ""), [])
        elif tag == "button" and given.get("type", "submit") == "submit":
            self._button = (_pair(given), [])

    def handle_endtag(self, tag: str) -> None:
        if self._form is None:
            return
        if tag == "form":
            self._form = None
        elif tag == "select" and self._select:
            self._take_select(self._form, *self._select)
            self._select = None
        elif tag == "textarea" and self._area:
            self._form.fields.append((self._area[0], "".join(self._area[1]).removeprefix("\n")))
            self._area = None
        elif tag == "button" and self._button:
            self._form.buttons.append((" ".join("".join(self._button[1]).split()), self._button[0]))
            self._button = None

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)
        if self._button:
            self._button[1].append(data)

    @staticmethod
    def _take_input(form: Form, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind == "submit":
            form.buttons.append((given.get("value", ""), _pair(given)))
        elif kind in ("checkbox", "radio"):
            if "checked" in given:
                form.fields.append((given.get("name", ""), given.get("value", "on")))
        elif given.get("name") and kind not in ("button", "reset", "file", "image"):
            form.fields.append((given["name"], given.get("value", "")))

    @staticmethod
    def _take_select(form: Form, name: str, multiple: bool, options: list[tuple[str, bool]]) -> None:
        chosen = [value for value, selected in options if selected]
        if not chosen and not multiple and options:
            chosen = [options[0][0]]
        form.fields.extend((name, value) for value in chosen)


def _pair(given: dict[str, str]) -> tuple[str, str] | None:
    return (given["name"], given.get("value", "")) if given.get("name") else None
