"""What a Dockerfile must not have the engine itself do."""

import time

import pytest

from runners.containers.dockerfiles import BuildRefused, bases, check, check_args, instructions, may_be_id
from tests.lab.pace import slowness


@pytest.mark.parametrize(
    "line",
    [
        "ADD http://169.254.169.254/latest /x",
        "add --chown=0:0 HTTPS://example.org/x /x",
        'ADD ["http://127.0.0.1:6379/", "/x"]',
        'ADD "http://127.0.0.1/" /x',
        "ADD 'ht'tp://127.0.0.1/ /x",
        "ADD ht\\tp://127.0.0.1/ /x",
        "ADD $URL /x",
        "ADD ${A}tp://x /x",
        "ADD ht$X /x",
        "ADD file http://127.0.0.1/ /x/",
        "ONBUILD ADD http://127.0.0.1/ /x",
        "ONBUILD onbuild ADD http://127.0.0.1/ /x",
        "ADD \\\n  http://127.0.0.1/ \\\n  /x",
        "ADD \\\n# a comment\n  http://127.0.0.1/ /x",
        "ADD \\   \n\n http://127.0.0.1/ /x",
        "ADD git@example.org:x/y.git /x",
        "RUN true \\\u00a0\nADD http://127.0.0.1/ /x",
        "RUN true \\\x0c\nADD http://127.0.0.1/ /x",
        "RUN true \\\u2028ADD\nADD http://127.0.0.1/ /x",
        "RUN true \\\\\nADD http://127.0.0.1/ /x",
        "RUN true \\\\ \t\r\nADD http://127.0.0.1/ /x",
        "ADD \\\\\n http://127.0.0.1/ /x",
        "ADD \\\n\x1c# http://127.0.0.1/ /x",
        'ADD ["http://127.0.0.1/", "/x"] what follows',
        'ADD ["\\u0068ttp://127.0.0.1/", "/x"]',
        'ADD -- ["http://127.0.0.1/", "/x"]',
        'ADD --chown="a b" ["http://127.0.0.1/", "/x"]',
        'ADD --chown=a\\ b ["http://127.0.0.1/", "/x"]',
        "ONBU\u0130LD ADD http://127.0.0.1/ /x",
    ],
)
def test_what_the_engine_would_fetch_is_refused(line: str) -> None:
    with pytest.raises(BuildRefused, match="the engine would fetch it by itself"):
        check(f"FROM busybox\n{line}\nRUN true\n")


def test_another_escape_character_hides_nothing() -> None:
    with pytest.raises(BuildRefused):
        check("# escape=`\nFROM busybox\nADD `\n http://127.0.0.1/ /x\n")


@pytest.mark.parametrize("line", ["# syntax=x\n# escape=`", "# ESCAPE = `x", "#escape=`"])
def test_an_escape_that_only_some_engines_accept_hides_nothing(line: str) -> None:
    with pytest.raises(BuildRefused):
        check(f"{line}\nFROM busybox\nADD `\n http://127.0.0.1/ /x\n")
    with pytest.raises(BuildRefused):
        check(f"{line}\nFROM busybox\nRUN x `\nADD http://127.0.0.1/ /x\n")


def test_a_carriage_return_within_a_line_is_refused() -> None:
    with pytest.raises(BuildRefused, match="carriage return"):
        check("FROM busybox\nRUN true \\\r\r\nADD http://127.0.0.1/ /x\n")


def test_a_long_dockerfile_is_read_in_no_time() -> None:
    begun = time.thread_time()
    for line in ("FROM a\n", "ADD [" + "[" * 100_000 + "\n", "ADD --" + "\"'" * 50_000 + "\n", "RUN a\\\\\n"):
        text = line * (1024 * 1024 // len(line))
        check(text)
        bases(text)

    assert time.thread_time() - begun < 20 * slowness()


@pytest.mark.parametrize(
    "text",
    [
        "FROM busybox\nADD file.tar.gz /x\n",
        "FROM busybox\nADD app-${VERSION}.tgz /x\n",
        "FROM busybox\nRUN wget http://example.org/x\n",
        'FROM busybox\nENV URL=http://example.org/x\nLABEL a="ADD http://x /y"\n',
        "FROM busybox\n# ADD http://example.org/x /y\nCOPY . .\n",
        "FROM busybox\nADD dist /usr/share/http://\n",
        'FROM busybox\r\nADD --chown=1:1 ["dist", "http://x"]\r\nRUN a \\\r\n  b\r',
        "FROM busybox AS\nRUN curl \\\n  # ADD it\n\n  http://example.org/x\n",
    ],
)
def test_files_may_be_added_and_containers_may_fetch(text: str) -> None:
    check(text)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "No_Proxy", "ALL_PROXY"])
def test_a_proxy_is_no_argument_of_a_project(name: str) -> None:
    with pytest.raises(BuildRefused, match=name):
        check_args({"VERSION": "1", name: "http://evil.example/"})


def test_the_images_that_a_build_begins_from() -> None:
    text = "ARG B\nFROM --platform=linux/amd64 registry.example.org/a:1 AS one\nFROM $B\n"
    text += "COPY --from=other/c /x /y\nCOPY x y\n"

    assert bases(text) == ["registry.example.org/a:1", "$B", "other/c"]
    assert [word for word, _ in instructions(text)] == ["ARG", "FROM", "FROM", "COPY", "COPY"]


def test_what_a_build_has_made_before_is_no_image_that_it_begins_from() -> None:
    text = "FROM a AS cafe\nCOPY --from=cafe x y\nFROM cafe\nCOPY --from=CAFE x y\nCOPY --from=0 x y\nFROM 0\n"

    assert bases(text) == ["a", "cafe", "0"]


def test_quotes_hide_no_image() -> None:
    text = "FROM \"r.exam\"ple/'a'\nCOPY --fr'om'=\"3fa2\" x y\nCOPY --fr\\om=r.example/b x y\n"
    text += 'FROM --platform="a b" r.example/c\n'

    assert bases(text) == ["r.example/a", "3fa2", "r.example/b", "r.example/c"]


def test_an_image_after_an_odd_end_of_a_line_is_found() -> None:
    text = "FROM a\nRUN x \\\u00a0\nFROM b\nRUN x \\\\\nFROM c\nFROM \\\\\n  d\n"

    assert {"a", "b", "c", "d"} <= set(bases(text))


@pytest.mark.parametrize("name", ["3", "cafe", "sha256:3fa2", "$X", "${X:-a}", "sha$X", "3f${X}", "a$X"])
def test_what_the_engine_may_take_for_an_id(name: str) -> None:
    assert may_be_id(name)


@pytest.mark.parametrize("name", ["busybox", "cafe:latest", "cafe/x", "python:$V", "r.example/$X", "debian"])
def test_what_it_takes_for_a_name_only(name: str) -> None:
    assert not may_be_id(name)
