"""Lines of several stages on one terminal."""

import io

from server.cli.printing import Printer


def printed(feed: list[tuple[str, bytes]], *, colour: bool = False) -> str:
    out = io.StringIO()
    printer = Printer(["build", "test (3.12)"], out, colour=colour)
    for name, data in feed:
        printer.feed(name, data)
    for name in ("build", "test (3.12)"):
        printer.finish(name)
    return out.getvalue()


def test_each_line_bears_its_stage_and_is_never_torn() -> None:
    text = printed([("build", b"one\ntw"), ("test (3.12)", b"other\n"), ("build", b"o\nlast")])
    assert text.splitlines() == [
        "build       │ one",
        "test (3.12) │ other",
        "build       │ two",
        "build       │ last",
    ]


def test_of_a_progress_bar_the_last_state_stays() -> None:
    assert printed([("build", b"10 %\r50 %\r100 %\r\n")]) == "build       │ 100 %\n"


def test_colours_pass_and_whatever_else_moves_a_terminal_does_not() -> None:
    text = printed([("build", b"\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2Jx\n")], colour=True)
    assert "red" in text
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text


def test_markup_in_output_is_text() -> None:
    assert printed([("build", b"[bold]not[/bold] a tag\n")]) == "build       │ [bold]not[/bold] a tag\n"
