"""Pure: from words to what a mail's reader sees, as plain text and as HTML without anything from elsewhere."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from server.notifications.messages import plain
from server.notifications.words import Cause, Detail, Words

_BODY = "font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;max-width:42em;margin:1.5em auto;padding:0 1em"
_PRE = (
    "font:13px/1.45 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;"
    "border-left:3px solid #8a949c;padding:.3em .8em;margin:.5em 0"
)
_BUTTON = "display:inline-block;border:1px solid #5c6870;border-radius:3px;padding:.35em .8em;margin-right:.5em"


def subject(words: Words) -> str:
    return plain(f"{words.headline}: {words.cause}" if words.cause else words.headline)


def text(words: Words) -> str:
    """Plain text: somebody else's words cannot become a link's name or a picture there."""
    lines = [plain(words.headline), "", *(_line(line) for line in words.lines)]
    details = [line for detail in words.details for line in ("", *_detail_lines(detail))]
    notes = [plain(note) for note in words.notes]
    buttons = [f"{plain(button.label)}: {button.url}" for button in words.buttons]
    link = [f"{plain(words.link)}: {words.url}"] if words.url else []
    return "\n".join([*lines, "", *notes, *details, "", *dict.fromkeys([*buttons, *link]), ""])


def html(words: Words) -> SafeString:
    """A whole document. Its only addresses are links to this server's own pages."""
    return format_html(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<title>{}</title></head><body style="{}"><h1 style="font-size:1.25em">{}</h1>{}{}{}{}</body></html>',
        subject(words),
        _BODY,
        plain(words.headline),
        _list([_marked(line) for line in words.lines]),
        format_html_join("", '<p style="margin:.4em 0">{}</p>', ((plain(note),) for note in words.notes)),
        format_html_join("", "{}", ((_detail(detail),) for detail in words.details)),
        _links(words),
    )


def _line(line: str | Cause) -> str:
    return plain(line) if isinstance(line, str) else f"  {plain(line.name)}: {plain(line.reason)}"


def _detail_lines(detail: Detail) -> list[str]:
    lines = [f"  {plain(line)}" for line in detail.lines]
    output = [f"  | {line}" for line in detail.output.splitlines()]
    return [f"{plain(detail.title)}:", *lines, *output]


def _marked(line: str | Cause) -> SafeString:
    if isinstance(line, str):
        return format_html("{}", plain(line))
    return format_html("<b>{}</b>: {}", plain(line.name), plain(line.reason))


def _list(items: list[SafeString]) -> SafeString:
    if not items:
        return mark_safe("")
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((item,) for item in items)))


def _detail(detail: Detail) -> SafeString:
    lines = _list([format_html("{}", plain(line)) for line in detail.lines])
    output = format_html('<pre style="{}">{}</pre>', _PRE, detail.output) if detail.output.strip() else ""
    return format_html('<h2 style="font-size:1em;margin:1em 0 .3em">{}</h2>{}{}', plain(detail.title), lines, output)


def _links(words: Words) -> SafeString:
    places = [(button.url, plain(button.label)) for button in words.buttons]
    if words.url and words.url not in [url for url, _ in places]:
        places.append((words.url, plain(words.link)))
    links = format_html_join("", '<a href="{}" style="{}">{}</a>', ((url, _BUTTON, label) for url, label in places))
    return format_html('<p style="margin-top:1.2em">{}</p>', links)
