"""Files made to hurt: each is refused, in less than a second, with an error that says where."""

import time

import pytest

from pipelines.spec.parser import SpecError, parse

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
ONE_STAGE = "image: x\nstages:\n  a:\n    steps: [x]\n"

HOSTILE: dict[str, str | bytes] = {
    "alias bomb": LAUGHS,
    "alias of a long text": f"a: &a '{'x' * 30000}'\nb: [{', '.join(['*a'] * 9000)}]\n",
    "alias into depth": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 40)),
    "brackets 10^4 deep": "[" * 10_000,
    "brackets 10^4 deep and closed": "[" * 10_000 + "]" * 10_000,
    "braces 10^4 deep": "{a: " * 10_000,
    "dashes 10^4 deep": "- " * 10_000 + "x",
    "blocks 500 deep": "".join(" " * depth + "a:\n" for depth in range(500)),
    "question marks": "? " * 10_000,
    "scalar of 1 MB": "image: " + "x" * 1_000_000,
    "scalar of 250 KB": "image: '" + "x" * 250_000 + "'",
    "words of 250 KB": ONE_STAGE + "    timeout: " + "x " * 124_000,
    "lines of 250 KB": ONE_STAGE + "    timeout: |\n" + "      x\n" * 31_000,
    "comments only": "#x\n" * 80_000,
    "blank lines only": "\n" * 250_000,
    "spaces only": " " * 250_000,
    "many keys": "".join(f"k{number}: 1\n" for number in range(20_000)),
    "many unknown keys below the bound": "".join(f"k{number}: 1\n" for number in range(4_900)),
    "many unknown needs": ONE_STAGE + "    needs: [" + "ab, " * 9_000 + "]\n",
    "many stages": "image: x\nstages:\n" + "".join(f"  s{n}: {{steps: [x]}}\n" for n in range(1_000)),
    "env that multiplies": "env:\n" + "".join(f"  E{n}: {'x' * 40}\n" for n in range(2_000)) + ONE_STAGE,
    "long number": "image: " + "1" * 200_000,
    "long key": "x" * 200_000 + ": 1\n",
    "long anchor": "image: &" + "x" * 100_000 + " y\nb: *" + "z" * 100_000,
    "NUL": "image: x\0\n",
    "escaped NUL": 'image: "x\\0"\n',
    "escape": "image: \x1b[2J\n",
    "bell in a later line": "image: x\nstages: \x07\n",
    "carriage return alone": "image: x\rstages: y\n",
    "text that runs backwards": "image: x\n# \u202e\n",
    "escaped text that runs backwards": 'image: "\\u202e"\n',
    "lone surrogate": "image: \ud800\n",
    "not UTF-8": b"image: \xff\xfe\n",
    "UTF-16": "image: x".encode("utf-16"),
    "python tag": "image: !!python/object/apply:os.system ['id']\n",
    "own tag": "image: !x y\n",
    "duplicate key": ONE_STAGE + "    steps: [y]\n",
    "duplicate key in other spelling": ONE_STAGE + '    "steps": [y]\n',
    "merge key": "a: &a {image: x}\n<<: *a\n",
    "image as an option": "image: -v/:/host\nstages: {a: {steps: [x]}}\n",
    "privileged": ONE_STAGE + "    privileged: true\n",
    "volumes": ONE_STAGE + "    volumes: ['/:/host']\n",
    "network": ONE_STAGE + "    network: host\n",
    "needs in a ring": "image: x\nstages:\n"
    + "".join(f"  s{n}: {{steps: [x], needs: [s{(n + 1) % 150}]}}\n" for n in range(150)),
    "unclosed quote": "image: 'x\n" + "y\n" * 10_000,
    "indentation that jumps": "".join(" " * (number % 7) + "a: b\n" for number in range(5_000)),
    "globs": ONE_STAGE + f"    when: {{branch: {'a*' * 5_000}}}\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_within_a_second(name: str) -> None:
    started = time.process_time()
    with pytest.raises(SpecError) as caught:
        parse(HOSTILE[name])
    assert time.process_time() - started < 1
    assert caught.value.problems[0].line >= 1
    assert len(str(caught.value)) < 64_000


def test_places_are_counted_in_the_file_as_it_was_written() -> None:
    with pytest.raises(SpecError) as caught:
        parse(b"image: x\r\n# \xc3\xa9\r\nstages: \xff\r\n")
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (3, 9)


def test_the_largest_honest_file_is_read_within_a_second() -> None:
    stages = "".join(f"  s{n}:\n    steps:\n" + "      - make x\n" * 40 for n in range(200))
    started = time.process_time()
    assert len(parse("image: x\nstages:\n" + stages).stages) == 200
    assert time.process_time() - started < 1
