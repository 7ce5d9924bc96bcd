"""What a Dockerfile must not have the engine itself do."""

import pytest

from runners.containers.dockerfiles import BuildRefused, bases, check, check_args, instructions


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
    ],
)
def test_what_the_engine_would_fetch_is_refused(line: str) -> None:
    with pytest.raises(BuildRefused, match="the engine would fetch it by itself"):
        check(f"FROM busybox\n{line}\nRUN true\n")


def test_another_escape_character_hides_nothing() -> None:
    with pytest.raises(BuildRefused):
        check("# escape=`\nFROM busybox\nADD `\n http://127.0.0.1/ /x\n")


@pytest.mark.parametrize(
    "text",
    [
        "FROM busybox\nADD file.tar.gz /x\n",
        "FROM busybox\nADD app-${VERSION}.tgz /x\n",
        "FROM busybox\nRUN wget http://example.org/x\n",
        'FROM busybox\nENV URL=http://example.org/x\nLABEL a="ADD http://x /y"\n',
        "FROM busybox\n# ADD http://example.org/x /y\nCOPY . .\n",
        "FROM busybox\nADD dist /usr/share/http://\n",
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
