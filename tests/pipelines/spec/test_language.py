"""The keys of a stage and of the file: what they become, and how each mistake is shown."""

import pytest

from pipelines.spec.model import (
    ApprovalSpec,
    BuildSpec,
    CacheSpec,
    ConcurrencySpec,
    Globs,
    ParameterSpec,
    ReadySpec,
    ReportsSpec,
    ResourcesSpec,
    RetrySpec,
    ScheduleSpec,
    ServiceSpec,
    StageSpec,
    StepSpec,
    When,
)
from pipelines.spec.parser import parse
from tests.pipelines.spec.test_parser import problem, stage


def one(body: str) -> StageSpec:
    return parse(stage(body if "build:" in body or "steps:" in body else "steps: [x]\n" + body)).stages[0]


def test_a_step_may_say_more() -> None:
    step = "steps: [{name: n, run: r, shell: bash -e, workdir: sub, env: {A: 1}, timeout: 5m}]"
    assert one(step).steps == (StepSpec("n", "r", "bash -e", "sub", {"A": "1"}, 300),)


def test_when_is_a_mapping_or_a_list_of_them() -> None:
    assert one("when: {paths: [a, b/], if: tag, status: [failed]}").when == (
        When(paths=Globs(("a", "b/")), condition="tag", status=("failed",)),
    )
    assert one("when: [{branch: {include: a, exclude: [b]}}, {event: api}]").when == (
        When(branches=Globs(("a",), ("b",))),
        When(events=("api",)),
    )


def test_a_matrix_is_every_combination_as_it_was_written() -> None:
    rows = "exclude: [{db: b, python: '3.11'}], include: [{db: c, python: 3}]"
    matrix = f"matrix: {{python: [3.10, '3.11'], db: [a, b], {rows}}}"
    assert [tuple(row.items()) for row in one(matrix).matrix] == [
        (("python", "3.10"), ("db", "a")),
        (("python", "3.10"), ("db", "b")),
        (("python", "3.11"), ("db", "a")),
        (("python", "3"), ("db", "c")),
    ]


def test_a_matrix_may_be_rows_alone() -> None:
    assert one("matrix: {include: [{a: 1, b: 2}, {b: 3, a: 4}]}").matrix == ({"a": "1", "b": "2"}, {"a": "4", "b": "3"})


def test_services() -> None:
    body = """\
services:
  cache: redis:7
  db: {image: postgres:16, env: {A: b}, command: run it, ready: pg_isready -U a}
  web: {image: x, ready: {port: 80, timeout: 30s}}"""
    assert one(body).services == (
        ServiceSpec("cache", "redis:7"),
        ServiceSpec("db", "postgres:16", {"A": "b"}, "run it", ReadySpec("pg_isready -U a")),
        ServiceSpec("web", "x", ready=ReadySpec(port=80, timeout_seconds=30)),
    )


def test_caches() -> None:
    assert one("cache: {key: [a.lock], paths: [c]}").caches == (CacheSpec("a", ("c",), ("a.lock",)),)
    both = "cache: [{paths: [c]}, {name: n, paths: [d, e], key: '**/x', fallback: f}]"
    assert one(both).caches == (CacheSpec("a", ("c",)), CacheSpec("n", ("d", "e"), ("**/x",), ("f",)))


def test_artifacts_and_reports() -> None:
    found = one("artifacts: {paths: [d/], expire: 30d}\nreports: {junit: r.xml, coverage: [c.xml, e]}")
    assert (found.artifacts, found.artifacts_kept_seconds) == (("d/",), 30 * 86400)
    assert found.reports == ReportsSpec(("r.xml",), ("c.xml", "e"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retry: 1", RetrySpec(1, ("infrastructure", "any"))),
        ("retry: 0", RetrySpec(0, ("infrastructure", "any"))),
        ("retry: {times: 3}", RetrySpec(3, ("infrastructure", "any"))),
        ("retry: {on: infrastructure}", RetrySpec(2, ("infrastructure",))),
        ("retry: {on: [infrastructure, 75, 137]}", RetrySpec(2, ("infrastructure",), (75, 137))),
        ("retry: {on: 75}", RetrySpec(2, (), (75,))),
        ("timeout: 1h", RetrySpec(2, ("infrastructure",))),
    ],
)
def test_retry(text: str, expected: RetrySpec) -> None:
    assert one(text).retry == expected


def test_policies() -> None:
    found = one(
        "concurrency: {group: g, limit: 2, cancel: pending}\nallow_failure: true\nidle_timeout: 5m\n"
        "labels: [gpu, os=bsd]\n"
        "resources: {cpus: 0.5, memory: 2g}\nprivileged: true\n"
        "approval: {by: ops, count: 2, message: Go?, ask: {ticket: {description: d}, sure: false}}"
    )
    assert found.concurrency == ConcurrencySpec("g", 2, "pending")
    assert (found.allow_failure, found.idle_timeout_seconds, found.privileged) == (True, 300, True)
    assert (found.labels, found.resources) == (("gpu", "os=bsd"), ResourcesSpec(0.5, 2048))
    ask = (ParameterSpec("ticket", description="d"), ParameterSpec("sure", "boolean", default="false"))
    assert found.approval == ApprovalSpec(("ops",), 2, "Go?", ask)


def test_short_forms() -> None:
    assert one("concurrency: g").concurrency == ConcurrencySpec("g")
    assert one("approval: true").approval == ApprovalSpec()
    assert one("approval: {}").approval == ApprovalSpec()
    assert one("approval: false").approval is None


def test_an_image_is_built_instead_of_steps() -> None:
    found = parse("stages: {a: {build: {context: c, args: {A: 1}, target: t, tags: r.example:5000/s/x:1, push: true}}}")
    built = BuildSpec("c", "Dockerfile", {"A": "1"}, "t", ("r.example:5000/s/x:1",), True)
    assert (found.stages[0].build, found.stages[0].image, found.stages[0].steps) == (built, "", ())


def test_the_file_says_when_what_is_asked_and_when_the_clock_starts_it() -> None:
    spec = parse(
        stage("steps: [x]")
        + "when: {event: [push]}\nparameters: {full: false}\nconcurrency: {group: r, cancel: running}\n"
        "schedule: {nightly: {cron: 30 2 * * *, timezone: Europe/Berlin, branch: dev, parameters: {full: true}}}\n"
        "x-anchors: [anything]\n"
    )
    assert spec.when == (When(events=("push",)),)
    assert spec.parameters == (ParameterSpec("full", "boolean", default="false"),)
    assert spec.schedules == (ScheduleSpec("nightly", "30 2 * * *", "Europe/Berlin", "dev", {"full": "true"}),)
    assert spec.concurrency == ConcurrencySpec("r", 1, "running")


TOP = "steps: [x]\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "key", "words"),
    [
        (stage("image: y"), 4, 5, "stages.a", "either `steps` or `build`"),
        (stage("steps: ['echo ${{ branch }}']"), 4, 19, "stages.a.steps[0]", "$SLIPWAY_BRANCH"),
        (stage("steps: [{run: x, name: '${{ tag }}'}]"), 4, 29, "stages.a.steps[0].name", "not filled in"),
        (stage(TOP + "env: {A: '${{ brunch }}'}"), 5, 19, "stages.a.env.A", "did you mean `branch`?"),
        (stage(TOP + "env: {A: '${{ matrix.x }}'}"), 5, 19, "stages.a.env.A", "nothing is called 'matrix.x'"),
        (stage(TOP + "env: {A: '${{ message }}'}"), 5, 19, "stages.a.env.A", "nothing is called 'message'"),
        (stage(TOP + "env: {A: '${{ a b }}'}"), 5, 15, "stages.a.env.A", "no `${{ name }}`"),
        (stage(TOP + "timeout: ${{ tag }}"), 5, 14, "stages.a.timeout", "does not fit"),
        (stage(TOP + "matrix: {Py: [1]}"), 5, 14, "stages.a.matrix.Py", "does not fit as a name"),
        (stage(TOP + "matrix: {py: 1}"), 5, 18, "stages.a.matrix.py", "this is a number"),
        (stage(TOP + "matrix: {py: []}"), 5, 18, "stages.a.matrix.py", "empty"),
        (stage(TOP + "matrix: {py: [1, 1]}"), 5, 22, "stages.a.matrix.py[1]", "twice"),
        (stage(TOP + "matrix: {py: ['a,b']}"), 5, 19, "stages.a.matrix.py[0]", "without commas"),
        (stage(TOP + "matrix: {py: [1], exclude: [{py: 2}]}"), 5, 33, "stages.a.matrix.exclude", "no combination has"),
        (stage(TOP + "matrix: {py: [1], exclude: [{py: 1}]}"), 5, 13, "stages.a.matrix", "no combination is left"),
        (stage(TOP + "matrix: {py: [1], include: [{qy: 2}]}"), 5, 33, "stages.a.matrix.include", "other names"),
        (stage(TOP + "matrix: {py: [1], include: [{py: 1}]}"), 5, 33, "stages.a.matrix.include", "there already"),
        (
            stage(TOP + "matrix: {" + ", ".join(f"{axis}: [{'x' * 60}]" for axis in "pqrs") + "}"),
            3,
            3,
            "stages.a.matrix",
            "at most 200",
        ),
        (stage(TOP + "when: {event: pul_request}"), 5, 19, "stages.a.when.event", "did you mean `pull_request`?"),
        (stage(TOP + "when: []"), 5, 11, "stages.a.when", "empty"),
        (stage(TOP + "when: {branch: {}}"), 5, 20, "stages.a.when.branch.include", "missing"),
        (stage(TOP + "when: {paths: '!docs'}"), 5, 19, "stages.a.when.paths", "without !"),
        (stage(TOP + "when: {paths: ../x}"), 5, 19, "stages.a.when.paths", "inside the workspace"),
        (stage(TOP + "when: {status: success}"), 5, 20, "stages.a.when.status", "did you mean `succeeded`?"),
        (stage(TOP + "when: {if: \"branch = 'x'\"}"), 5, 24, "stages.a.when.if", "expected =="),
        (stage(TOP + "when: {if: brnch}"), 5, 16, "stages.a.when.if", "did you mean `branch`?"),
        (stage(TOP + "when: {if: '${{ branch }}'}"), 5, 17, "stages.a.when.if", "not filled in"),
        (stage(TOP + "when:\n  if: >-\n    branch\n    == x"), 6, 11, "stages.a.when.if", "nothing is called 'x'"),
        (stage(TOP + "services: {Db: x}"), 5, 16, "stages.a.services.Db", "does not fit as a name"),
        (stage(TOP + "services: {db: {}}"), 5, 20, "stages.a.services.db.image", "missing"),
        (
            stage(TOP + "services: {db: {image: x, ready: {port: 0}}}"),
            5,
            45,
            "stages.a.services.db.ready.port",
            "65535",
        ),
        (
            stage(TOP + "services: {db: {image: x, ready: {port: 1, command: x}}}"),
            5,
            38,
            "stages.a.services.db.ready",
            "exclude each other",
        ),
        (stage(TOP + "cache: {key: x}"), 5, 12, "stages.a.cache.paths", "missing"),
        (stage(TOP + "cache: [{paths: [a]}, {paths: [b]}]"), 5, 27, "stages.a.cache", "another cache"),
        (stage(TOP + "artifacts: {paths: [a], expire: 30}"), 5, 37, "stages.a.artifacts.expire", "30d"),
        (stage(TOP + "reports: {}"), 5, 14, "stages.a.reports.junit", "missing"),
        (stage(TOP + "retry: 11"), 5, 12, "stages.a.retry", "from 0 to 10"),
        (stage(TOP + "retry: {on: 256}"), 5, 17, "stages.a.retry.on", "from 1 to 255"),
        (stage(TOP + "retry: {on: infra}"), 5, 17, "stages.a.retry.on", "did you mean `infrastructure`?"),
        (stage(TOP + "allow_failure: 'true'"), 5, 20, "stages.a.allow_failure", "true or false"),
        (stage(TOP + "concurrency: {limit: 1}"), 5, 18, "stages.a.concurrency.group", "missing"),
        (stage(TOP + "concurrency: {group: x, cancel: all}"), 5, 37, "stages.a.concurrency.cancel", "one of none"),
        (stage(TOP + "approval: {count: 0}"), 5, 23, "stages.a.approval.count", "from 1"),
        (stage(TOP + "labels: [a b]"), 5, 14, "stages.a.labels[0]", "a label"),
        (stage(TOP + "resources: {cpus: 0}"), 5, 23, "stages.a.resources.cpus", "0.1"),
        (stage(TOP + "resources: {memory: 2gb}"), 5, 25, "stages.a.resources.memory", "2g"),
        (stage("build: {push: true}"), 4, 12, "stages.a.build.tags", "missing"),
        (stage("build: {tags: Shop}"), 4, 19, "stages.a.build.tags", "small letters"),
        (stage("build: {}\nsteps: [x]"), 4, 5, "stages.a", "exclude each other"),
        (stage("build: {}\nservices: {a: b}"), 5, 5, "stages.a.services", "no meaning beside `build`"),
        (stage(TOP) + "when: {status: always}\n", 5, 8, "when.status", "unknown key"),
        (stage(TOP) + "when: {if: matrix.a}\n", 5, 12, "when.if", "nothing is called"),
        (stage(TOP) + "parameters: {A: 1}\n", 5, 14, "parameters.A", "does not fit as a name"),
        (stage(TOP) + "parameters: {a: {type: choice}}\n", 5, 17, "parameters.a", "without options"),
        (stage(TOP) + "parameters: {a: {options: [x], default: y}}\n", 5, 41, "parameters.a", "one of x"),
        (stage(TOP) + "parameters: {a: {type: number, default: y}}\n", 5, 41, "parameters.a", "a number"),
        (stage(TOP) + "schedule: {n: {}}\n", 5, 15, "schedule.n.cron", "missing"),
        (stage(TOP) + "schedule: {n: {cron: 0 0 31 2 *}}\n", 5, 22, "schedule.n.cron", "never comes round"),
        (stage(TOP) + "schedule: {n: {cron: 0 0 0 * * *}}\n", 5, 22, "schedule.n.cron", "five fields"),
        (stage(TOP) + "schedule: {n: {cron: 61 0 * * *}}\n", 5, 22, "schedule.n.cron", "minute"),
        (
            stage(TOP) + "schedule: {n: {cron: 0 0 * * *, timezone: Europe/Berln}}\n",
            5,
            43,
            "schedule.n.timezone",
            "Europe/Berlin",
        ),
        (
            stage(TOP) + "schedule: {n: {cron: 0 0 * * *, parameters: {a: 1}}}\n",
            5,
            46,
            "schedule.n.parameters.a",
            "no parameter",
        ),
        ("image: 'x:${{ matrix.a }}'\nstages: {a: {steps: [x]}}\n", 1, 15, "image", "nothing is called"),
    ],
)
def test_a_mistake_is_shown_at_its_line_column_and_key(text: str, line: int, column: int, key: str, words: str) -> None:
    found = problem(text)
    assert (found.line, found.column, found.key_path) == (line, column, key)
    assert words in found.describe("f")


def test_a_problem_at_the_top_is_told_once_though_every_stage_has_it() -> None:
    assert problem("image: x y\nstages: {a: {steps: [x]}, b: {steps: [x]}}\n").key_path == "image"
