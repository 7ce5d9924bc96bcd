"""Files made to hurt: each is refused, in less than a second, with an error that says where."""

import subprocess
import sys
import time

import pytest

from pipelines.spec.conditions import Circumstances
from pipelines.spec.parser import Load, SpecError, parse
from pipelines.spec.planning import planned
from tests.lab.pace import quickest_seconds, slowness

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
ONE_STAGE = "image: x\nstages:\n  a:\n    steps: [x]\n"

FIVE_HUNDRED = (
    "image: python:3.12\nenv: {A: 1, B: two}\nwhen: {event: [push, tag]}\nstages:\n"
    + "\n".join(
        f"""\
  s{n}:
    needs: []
    image: python:${{{{ matrix.python }}}}
    matrix: {{python: ["3.11", "3.12"], database: [pg, mysql]}}
    when: {{branch: [main, release/*], paths: [src/**], if: "message contains 'x' and not tag"}}
    services:
      db: {{image: postgres:16, env: {{POSTGRES_PASSWORD: test}}, ready: pg_isready}}
    steps:
      - pip install -r requirements.txt
      - name: test
        run: |
          pytest --junitxml=report.xml
    reports: {{junit: report.xml}}
    timeout: 20m"""
        for n in range(33)
    )
    + "\n  a: {steps: [x]}\n  b: {steps: [x]}\n"
    + "# a comment\n" * 32
)

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
    "a boolean for privileged that is a text": ONE_STAGE + "    privileged: 'true'\n",
    "volumes": ONE_STAGE + "    volumes: ['/:/host']\n",
    "network": ONE_STAGE + "    network: host\n",
    "needs in a ring": "image: x\nstages:\n"
    + "".join(f"  s{n}: {{steps: [x], needs: [s{(n + 1) % 150}]}}\n" for n in range(150)),
    "unclosed quote": "image: 'x\n" + "y\n" * 10_000,
    "indentation that jumps": "".join(" " * (number % 7) + "a: b\n" for number in range(5_000)),
    "brackets 10^6 deep": "[" * 1_000_000,
    "braces 250,000 deep": "{a: " * 250_000,
    "brackets below the bound, then a million words": "[" * 19 + "a," * 450_000,
    "question marks 500,000": "? " * 500_000,
    "dashes 500,000": "- " * 500_000 + "x",
    "different tag directives": "".join(f"%TAG !a{n}! tag:x\n" for n in range(45_000)) + "---\na: b",
    "a million blank lines in a text": "a: x" + "\n" * 990_000 + " y",
    "quoted text of 1 MB, escaped": 'image: "' + "\\x41" * 250_000 + '"',
    "block of 1 MB": ONE_STAGE + "    timeout: |\n" + "      x\n" * 120_000,
    "comments of 1 MB": "#x\n" * 330_000,
    "one comment of 1 MB": "#" + "x" * 1_000_000,
    "colons": ": " * 500_000,
    "documents": "--- a\n" * 160_000,
    "many anchors": "".join(f"- &a{n} x\n" for n in range(70_000)),
    "beyond 1 MiB": "#" * (1024 * 1024 + 1),
    "matrix of 10^9": ONE_STAGE
    + "    matrix: {"
    + ", ".join(f"a{n}: [{', '.join(map(str, range(10)))}]" for n in range(9))
    + "}\n",
    "matrix of 10^6000": ONE_STAGE + "    matrix: {" + ", ".join(f"a{n}: [0, 1, 2, 3]" for n in range(3_000)) + "}\n",
    "matrix of a long list": ONE_STAGE + "    matrix: {a: [" + ", ".join(map(str, range(15_000))) + "]}\n",
    "matrix with many rows to leave out": ONE_STAGE
    + "    matrix: {a: [1, 2], exclude: ["
    + ", ".join("{a: 1}" for _ in range(5_000))
    + "]}\n",
    "many matrices": "image: x\nstages:\n"
    + "".join(f"  s{n}: {{steps: [x], matrix: {{a: [{', '.join(map(str, range(100)))}]}}}}\n" for n in range(100)),
    "a matrix of long scripts": "image: x\nstages:\n"
    + "".join(
        f"  s{n}: {{steps: ['{'x' * 30_000}'], matrix: {{a: [{', '.join(map(str, range(100)))}]}}}}\n"
        for n in range(30)
    ),
    "a long expression": ONE_STAGE + f'    when: {{if: "{"event == event and " * 10_000}event"}}\n',
    "a deep expression": ONE_STAGE + f'    when: {{if: "{"(" * 400}event{")" * 400}"}}\n',
    "an expression of nots": ONE_STAGE + f'    when: {{if: "{"!" * 900}event"}}\n',
    "many expressions": ONE_STAGE + "    when: [" + ", ".join(f"{{if: 'x{n}'}}" for n in range(4_000)) + "]\n",
    "many globs of paths": ONE_STAGE
    + "    when: {paths: ["
    + ", ".join(f"'*{'a*' * 90}{n}'" for n in range(4_000))
    + "]}\n",
    "many templates": ONE_STAGE + "    env: {A: '" + "${{ x }}" * 3_000 + "'}\n",
    "an unclosed template": ONE_STAGE + "    env: {A: '" + "${{" * 10_000 + "'}\n",
    "a cron of stars": ONE_STAGE + "schedule: {a: {cron: '" + "*,*," * 10_000 + "* * * * *'}}\n",
    "a cron that never comes round": ONE_STAGE + "schedule: {a: {cron: '0 0 31 2 *'}}\n",
    "a time zone that is a path": ONE_STAGE + "schedule: {a: {cron: '0 0 * * *', timezone: ../../etc/passwd}}\n",
    "a long path": ONE_STAGE + "    artifacts: ['" + "a/" * 10_000 + "']\n",
    "a long path glob": ONE_STAGE + "    when: {paths: '" + "**/" * 10_000 + "'}\n",
    "a duration of digits": ONE_STAGE + "    timeout: " + "9" * 30_000 + "h\n",
    "needs in a thick net with a ring": "image: x\nstages:\n"
    + "".join(f"  s{n}: {{steps: [x], needs: [{', '.join(f's{m}' for m in range(95))}]}}\n" for n in range(95)),
    "globs": ONE_STAGE + f"    when: {{branch: {'a*' * 5_000}}}\n",
}


def refused(text: str | bytes, load: Load | None = None) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse(text, load=load)
    return caught.value


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_within_a_second(name: str) -> None:
    second, errors = slowness(), list[SpecError]()
    took = quickest_seconds(lambda: errors.append(refused(HOSTILE[name])), second, clock=time.thread_time)
    assert took < second
    assert errors[0].problems[0].line >= 1
    assert len(str(errors[0])) < 64_000


def test_a_hostile_file_takes_little_memory() -> None:
    """In a process of its own, as the peak of this one has been anywhere."""
    script = (
        "from pathlib import Path\n"
        "from tests.pipelines.spec.test_hostile_files import HOSTILE\n"
        "from pipelines.spec.parser import SpecError, parse\n"
        "for text in HOSTILE.values():\n"
        "    try:\n        parse(text)\n"
        "    except SpecError:\n        pass\n"
        # Not what getrusage says: that counts the process which started this one as well.
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    peak_kb = int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    assert peak_kb < 256 * 1024


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(lambda spec: f"include: [x{int(spec.path[1:] or 0) + 1}]\n".encode(), id="deeper and deeper"),
        pytest.param(
            lambda spec: f"include: [{', '.join(f'{spec.path}-{n}' for n in range(9_000))}]".encode(), id="wide"
        ),
        pytest.param(lambda spec: b"include: [x0]\n", id="in a ring"),
        pytest.param(lambda spec: b"x-a: '" + b"x" * 1_000_000 + b"'\n" + ONE_STAGE.encode(), id="large"),
        pytest.param(lambda spec: b"[" * 1_000_000, id="deep brackets"),
        pytest.param(lambda spec: b"\xff" * 1_000_000, id="not UTF-8"),
    ],
)
def test_an_include_bomb_is_refused_within_a_second(bomb: Load) -> None:
    files = ", ".join(f"x{n}" for n in range(20))
    text, seconds = f"include: [{files}]\nimage: x\n", 3 * slowness()  # twenty files
    errors: list[SpecError] = []
    assert quickest_seconds(lambda: errors.append(refused(text, bomb)), seconds, clock=time.thread_time) < seconds
    assert len(str(errors[0])) < 64_000


def test_a_pipeline_that_was_taken_is_planned_in_a_few_seconds_whatever_it_asks() -> None:
    paths = ", ".join(f"'**/{'a*' * 40}{n}'" for n in range(14))
    condition = " or ".join(f"message matches '{'a*' * 30}{n}'" for n in range(12))
    values = ", ".join(map(str, range(25)))
    text = "image: x\nstages:\n" + "".join(
        f'  s{n}: {{steps: [x], matrix: {{v: [{values}]}}, when: {{paths: [{paths}], if: "{condition}"}}}}\n'
        for n in range(20)
    )
    changed = tuple(f"{'a' * 60}/{n}" for n in range(2_000))
    spec = parse(text)
    started = time.thread_time()
    planned(spec, Circumstances("push", "refs/heads/main", paths=changed, message="a" * 100_000))
    assert time.thread_time() - started < 10 * slowness()


def test_places_are_counted_in_the_file_as_it_was_written() -> None:
    with pytest.raises(SpecError) as caught:
        parse(b"image: x\r\n# \xc3\xa9\r\nstages: \xff\r\n")
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (3, 9)


def test_the_largest_honest_file_is_read_within_a_second() -> None:
    stages = "".join(f"  s{n}:\n    steps:\n" + "      - make x\n" * 80 for n in range(200))
    second, text = slowness(), "image: x\nstages:\n" + stages
    assert len(parse(text).stages) == 200
    assert quickest_seconds(lambda: parse(text), second, clock=time.thread_time) < second


def test_a_file_of_500_lines_is_read_within_100_milliseconds() -> None:
    assert FIVE_HUNDRED.count("\n") == 500
    assert len(parse(FIVE_HUNDRED).stages) == 35
    seconds = 0.1 * slowness()
    assert quickest_seconds(lambda: parse(FIVE_HUNDRED), seconds, clock=time.thread_time) < seconds
