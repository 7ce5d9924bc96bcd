"""What the tests of a project said, report by report."""

from django.db import models

from pipelines.projects.models import Project
from pipelines.reports.cases import FILE_MAX, MESSAGE_MAX, NAME_MAX, Coverage
from pipelines.runs.models import Attempt, Run
from pipelines.states.status import BAD, Status

OUTCOMES = [(one.value, one.label) for one in (Status.SUCCEEDED, Status.FAILED, Status.ERRORED, Status.SKIPPED)]


class Before(models.TextChoices):
    """How a test stood in the report that this one is compared with; empty when there was none."""

    SUCCEEDED = "succeeded", "passed on the base"
    FAILED = "failed", "failed on the base"
    SKIPPED = "skipped", "was skipped on the base"
    ABSENT = "absent", "was not there on the base"


class TestCase(models.Model):
    """A test of a project, known by its names. A fork's runs make it known, and tell nothing of how it stands."""

    __test__ = False  # pytest, this is a record

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="test_cases")
    key = models.CharField(max_length=16, help_text="From suite, group and name: see Case.key")
    name = models.CharField(max_length=NAME_MAX)
    suite = models.CharField(max_length=NAME_MAX, blank=True)
    group = models.CharField(max_length=NAME_MAX, blank=True, help_text="The class or module, as the tool names it")
    file = models.CharField(max_length=FILE_MAX, blank=True)
    first_run = models.PositiveIntegerField(help_text="Number of the run that first told of it")
    last_run = models.PositiveIntegerField(help_text="Number of the last run of the default branch that told of it")
    outcome = models.CharField(max_length=9, choices=OUTCOMES, help_text="There; of several stages the last")
    flaky_at = models.DateTimeField(null=True, help_text="When it last showed both results on one commit")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="test_case_once")]

    def __str__(self) -> str:
        return self.name


class Report(models.Model):
    """What the report files of one attempt said. `cells` holds every test's outcome and seconds (see `cases.pack`);
    rows there are only of those that a person looks at."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, related_name="report")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="reports")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="reports")
    stage = models.CharField(max_length=200, help_text="The stage's name; a matrix's values are part of it")
    superseded = models.BooleanField(default=False, help_text="A later attempt of the stage has a report")
    base = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+", help_text="Compared with")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0, help_text="With those that errored")
    skipped = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0.0, help_text="Of all tests together")
    covered = models.PositiveIntegerField(null=True, help_text="Lines that tests ran")
    coverable = models.PositiveIntegerField(null=True, help_text="Lines that there are")
    notes = models.JSONField(default=list, help_text="What could not be read, and what was cut")
    cells = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["project", "stage", "-run"], name="report_of_stage")]

    def __str__(self) -> str:
        return f"tests of {self.stage} in run {self.run_id}"

    @property
    def tests(self) -> int:
        return self.succeeded + self.failed + self.skipped

    @property
    def coverage(self) -> Coverage | None:
        if self.covered is None or not self.coverable:
            return None
        return Coverage(self.covered, self.coverable)


class Result(models.Model):
    """One test in one report: each that failed or errored, was flaky, or was skipped; bounded, see `lifecycle`."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="results")
    test = models.ForeignKey(TestCase, on_delete=models.CASCADE, related_name="results")
    outcome = models.CharField(max_length=9, choices=OUTCOMES)
    before = models.CharField(max_length=9, choices=Before.choices, blank=True)
    flaky = models.BooleanField(default=False, help_text="The same commit also showed the other result")
    seconds = models.FloatField(null=True)
    message = models.CharField(max_length=MESSAGE_MAX, blank=True)
    text = models.TextField(blank=True)
    file = models.CharField(max_length=FILE_MAX, blank=True)
    line = models.PositiveIntegerField(default=0, help_text="0: not told")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["report", "test"], name="result_once")]
        indexes = [models.Index(fields=["test", "-id"], name="result_of_test")]

    def __str__(self) -> str:
        return f"{self.test_id} {self.outcome} in report {self.report_id}"

    @property
    def is_bad(self) -> bool:
        return self.outcome in BAD

    @property
    def is_new(self) -> bool:
        """It fails, and on the base it did not."""
        return self.is_bad and self.before in NEW

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


NEW = (Before.SUCCEEDED, Before.SKIPPED, Before.ABSENT)
