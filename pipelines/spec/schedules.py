"""Reader of `schedule`: runs that the clock starts."""

from datetime import UTC, datetime

from pipelines.errors import UserError
from pipelines.spec.cron import BadTimeZone, next_after
from pipelines.spec.fields import clip, join
from pipelines.spec.model import ParameterSpec, ScheduleSpec
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.parameters import ParameterReader, fault_of

MAX_SCHEDULES = 50
# Any moment does: whether an expression ever comes round does not depend on it.
_SOME_TIME = datetime(2024, 1, 1, tzinfo=UTC)


class ScheduleReader(ParameterReader):
    """One method per mapping."""

    def schedules(self, node: Node | None, key: str, parameters: tuple[ParameterSpec, ...]) -> tuple[ScheduleSpec, ...]:
        def read(name: Scalar, value: Node, at: str) -> ScheduleSpec | None:
            return self._schedule(name, value, at, parameters)

        if isinstance(node, Mapping) and len(node.entries) > MAX_SCHEDULES:
            self.note(node, key, f"{len(node.entries)} schedules", f"at most {MAX_SCHEDULES}")
            return ()
        return self.named(node, key, "stage_name", read, "a mapping of names to schedules")

    def _schedule(
        self, name: Scalar, node: Node, key: str, parameters: tuple[ParameterSpec, ...]
    ) -> ScheduleSpec | None:
        told = self.mapping(node, key, "schedule")
        if told is None:
            return None
        schedule = ScheduleSpec(
            name=name.text,
            cron=self.read(told.value("cron"), join(key, "cron"), "cron") or "",
            timezone=self.read(told.value("timezone"), join(key, "timezone"), "timezone") or "UTC",
            branch=self.read(told.value("branch"), join(key, "branch"), "branch") or "",
            parameters=dict(self._given(told.value("parameters"), join(key, "parameters"), parameters)),
        )
        if schedule.cron:
            self._check_time(told, key, schedule)
        return schedule

    def _check_time(self, told: Mapping, key: str, schedule: ScheduleSpec) -> None:
        try:
            next_after(schedule.cron, schedule.timezone, _SOME_TIME)
        except BadTimeZone as error:
            self.note(told.value("timezone") or told, join(key, "timezone"), str(error), "a name such as Europe/Berlin")
        except UserError as error:
            self.note(told.value("cron") or told, join(key, "cron"), str(error), "five fields such as 30 2 * * MON-FRI")

    def _given(self, node: Node | None, key: str, parameters: tuple[ParameterSpec, ...]) -> tuple[tuple[str, str], ...]:
        declared = {parameter.name: parameter for parameter in parameters}

        def read(name: Scalar, value: Node, at: str) -> tuple[str, str] | None:
            text = self.read(value, at, "value")
            if name.text not in declared:
                hint = self.hint(name.text, tuple(declared))
                self.note(name, at, f"there is no parameter {clip(name.text)}{hint}", "one of `parameters`")
            elif text is not None and (fault := fault_of(declared[name.text], text)):
                self.note(value, at, fault)
            return None if text is None else (name.text, text)

        return self.named(node, key, "name", read, "a mapping of names to values")
