"""The `stages` section: what runs where, after what, and when."""

from collections.abc import Mapping as Env
from dataclasses import dataclass

from pipelines.spec import fields, graph
from pipelines.spec.conditions import EVENTS
from pipelines.spec.fields import IMAGE_EXPECTED, KEYS, Reader, clip, join
from pipelines.spec.model import DEFAULT_TIMEOUT_SECONDS, StageSpec, StepSpec, When
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode

MAX_STAGES = 200


class StageReader(Reader):
    """One method per mapping and list of the section."""

    def stages(self, top: Mapping, image: str | None, env: Env[str, str]) -> tuple[StageSpec, ...]:
        expected = "a mapping of stage names to stages"
        node = top.value("stages")
        if node is None:
            self.note(top, "stages", "this key is missing", expected)
            return ()
        if not isinstance(node, Mapping) or not node.entries:
            kind = "empty" if isinstance(node, Mapping) else node.kind
            self.note(node, "stages", f"this is {kind}", expected)
            return ()
        if len(node.entries) > MAX_STAGES:
            self.note(node, "stages", f"{len(node.entries)} stages", f"at most {MAX_STAGES}")
            return ()
        found = _named_stages(node)
        self._check_needs(found)
        # A bad image at the top is one problem, not one for every stage.
        default = "" if image is None and top.value("image") is not None else image
        stages = [self._stage(name, body, found, default, env) for name, body in node.entries]
        return tuple(stage for stage in stages if stage is not None)

    def _stage(
        self, name: Scalar, body: Node, needs: "dict[str, _Needs]", image: str | None, env: Env[str, str]
    ) -> StageSpec | None:
        key = join("stages", name.text)
        if not fields.STAGE_NAME.fullmatch(name.text):
            expected = "small letters, digits, - and _, a letter first, at most 50"
            self.note(name, key, f"{clip(name.text)} does not fit as a stage's name", expected)
        stage = self.mapping(body, key, KEYS["stage"], "a mapping with `steps`")
        if stage is None:
            return None
        own_env = self.env(stage.value("env"), join(key, "env"))
        needed = needs[name.text].names
        return StageSpec(
            name=name.text,
            image=self._stage_image(name, stage, key, image),
            steps=self._steps(stage, key),
            needs=needed,
            when=self._when(stage.value("when"), join(key, "when")),
            env={**env, **own_env},
            secrets=self._secrets(stage, key, {**env, **own_env}),
            artifacts=self.distinct(
                stage.value("artifacts"), join(key, "artifacts"), self.inner_path, "a list of paths"
            ),
            timeout_seconds=self.duration(stage.value("timeout"), join(key, "timeout"), DEFAULT_TIMEOUT_SECONDS),
        )

    def _stage_image(self, name: Scalar, stage: Mapping, key: str, default: str | None) -> str:
        own = stage.value("image")
        if own is None and default is None:
            self.note(name, join(key, "image"), "no image here and none at the top", IMAGE_EXPECTED)
        return self.image(own, join(key, "image")) or default or ""

    def _steps(self, stage: Mapping, key: str) -> tuple[StepSpec, ...]:
        expected = "a list of commands"
        node = stage.value("steps")
        if node is None:
            self.note(stage, join(key, "steps"), "this key is missing", expected)
        elif isinstance(node, ListNode) and not node.items:
            self.note(node, join(key, "steps"), "this list is empty", expected)
        return self.listing(node, join(key, "steps"), self._step, expected)

    def _step(self, node: Node, key: str) -> StepSpec | None:
        expected = "a command, or a mapping with `name` and `run`"
        if isinstance(node, Scalar):
            run = self.text(node, key, expected)
            return None if run is None else StepSpec(_first_line(run), run)
        step = self.mapping(node, key, KEYS["step"], expected)
        if step is None:
            return None
        if step.value("run") is None:
            self.note(step, join(key, "run"), "this key is missing", "a command")
        name = self.text(step.value("name"), join(key, "name"), "a name")
        run = self.text(step.value("run"), join(key, "run"), "a command")
        return None if run is None else StepSpec(_first_line(name or run), run)

    def _when(self, node: Node | None, key: str) -> When:
        when = self.mapping(node, key, KEYS["when"], "a mapping with branch, tag or event")
        if when is None:
            return When()
        return When(
            branches=self.one_or_list(when.value("branch"), join(key, "branch"), self._glob, "branch names"),
            tags=self.one_or_list(when.value("tag"), join(key, "tag"), self._glob, "tag names"),
            events=self.one_or_list(when.value("event"), join(key, "event"), self._event, "events"),
        )

    def _glob(self, node: Node, key: str) -> str | None:
        expected = "a short name such as main, release/* or v*, without refs/, ! or [ ]"
        return self.matching(node, key, fields.GLOB, expected)

    def _event(self, node: Node, key: str) -> str | None:
        text = self.text(node, key, "one of " + ", ".join(EVENTS))
        if text is None or text in EVENTS:
            return text
        self.note(node, key, f"{clip(text)} is no event", "one of " + ", ".join(EVENTS))
        return None

    def _secrets(self, stage: Mapping, key: str, env: Env[str, str]) -> tuple[str, ...]:
        def read(node: Node, item_key: str) -> str | None:
            name = self.env_name(node, item_key)
            if name in env:
                self.note(node, item_key, f"{name} is in `env` too", "a secret or a variable, not both")
            return name

        return self.distinct(stage.value("secrets"), join(key, "secrets"), read, "a list of names of secrets")

    def _check_needs(self, found: "dict[str, _Needs]") -> None:
        names = list(found)

        def read(node: Node, key: str) -> str | None:
            return self._need(node, key, names)

        for stage, needs in found.items():
            key = join(join("stages", stage), "needs")
            known = self.distinct(needs.node, key, read, "a list of stage names")
            needs.items = [need for need in needs.items if need.node is None or need.name in known]
        cycle = graph.find_cycle({stage: needs.names for stage, needs in found.items()})
        if cycle is not None:
            self._note_cycle(cycle, found)

    def _need(self, node: Node, key: str, names: list[str]) -> str | None:
        text = self.text(node, key, "the name of a stage")
        if text is None or text in names:
            return text
        message = f"no stage is called {clip(text)}{self.hint(text, names)}"
        self.note(node, key, message, "one of " + ", ".join(names[:20]))
        return None

    def _note_cycle(self, cycle: graph.Cycle, found: "dict[str, _Needs]") -> None:
        """Points at a need that is written down; at least one is, as the implied ones all lead upwards."""
        ring = zip(cycle.names, (*cycle.names[1:], cycle.names[0]), strict=True)
        for stage, needed in ring:
            need = next(need for need in found[stage].items if need.name == needed)
            if need.node is not None:
                ring_text = f"these stages wait for each other: {cycle}"
                message = "this stage needs itself" if stage == needed else ring_text
                self.note(need.node, join(join("stages", stage), "needs"), message, "needs without a ring")
                return


@dataclass(frozen=True, slots=True)
class _Need:
    """A stage that another waits for; `node` is None where the file's order says so."""

    name: str
    node: Node | None


@dataclass(slots=True)
class _Needs:
    """What one stage waits for, and the list in the file that says so, if one does."""

    node: Node | None
    items: list[_Need]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(need.name for need in self.items))


def _named_stages(stages: Mapping) -> dict[str, _Needs]:
    """The needs of each stage: its own list, else the stage before it."""
    found: dict[str, _Needs] = {}
    before: str | None = None
    for name, body in stages.entries:
        node = body.value("needs") if isinstance(body, Mapping) else None
        implied = [] if before is None else [_Need(before, None)]
        found[name.text] = _Needs(node, implied if node is None else _written(node))
        before = name.text
    return found


def _written(node: Node) -> list[_Need]:
    items = node.items if isinstance(node, ListNode) else ()
    return [_Need(item.text, item) for item in items if isinstance(item, Scalar)]


def _first_line(text: str) -> str:
    """A step's name where the file gives none."""
    return text.strip().splitlines()[0][:80]
