"""Readers of how a stage is run: retry, concurrency, approval, resources."""

from pipelines.spec.fields import join, plain_number, shown
from pipelines.spec.model import ApprovalSpec, ConcurrencySpec, ResourcesSpec, RetrySpec
from pipelines.spec.nodes import Mapping, Node, Scalar
from pipelines.spec.nodes import Sequence as ListNode
from pipelines.spec.parameters import ParameterReader
from pipelines.spec.reference import KINDS

ANY_FAILURE = ("infrastructure", "any")


class PolicyReader(ParameterReader):
    """What is missing is the model's default."""

    def retry(self, node: Node | None, key: str) -> RetrySpec:
        if node is None:
            return RetrySpec()
        if isinstance(node, Scalar):
            return RetrySpec(self.whole(node, key, "retries", RetrySpec().times), ANY_FAILURE)
        retry = self.mapping(node, key, "retry")
        if retry is None:
            return RetrySpec()
        times = self.whole(retry.value("times"), join(key, "times"), "retries", RetrySpec().times)
        return RetrySpec(times, *self._reasons(retry.value("on"), join(key, "on")))

    def _reasons(self, node: Node | None, key: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
        if node is None:
            return ANY_FAILURE, ()
        self.expect_items(node, key, KINDS["retry_reason"].means)
        items = node.items if isinstance(node, ListNode) else (node,)
        codes = [item for item in items if plain_number(item) is not None]
        words = [self.read(item, key, "retry_reason") for item in items if item not in codes]
        numbers = [self.whole(item, key, "exit_code", 1) for item in codes]
        return tuple(dict.fromkeys(word for word in words if word)), tuple(dict.fromkeys(numbers))

    def concurrency(self, node: Node | None, key: str) -> ConcurrencySpec | None:
        if node is None:
            return None
        if isinstance(node, Scalar):
            group = self.read(node, key, "line", filled=True)
            return None if group is None else ConcurrencySpec(group)
        concurrency = self.mapping(node, key, "concurrency")
        if concurrency is None:
            return None
        return ConcurrencySpec(
            group=self.read(concurrency.value("group"), join(key, "group"), "line", filled=True) or "",
            limit=self.whole(concurrency.value("limit"), join(key, "limit"), "limit", 1),
            cancel=self.read(concurrency.value("cancel"), join(key, "cancel"), "cancel") or "none",
        )

    def approval(self, node: Node | None, key: str) -> ApprovalSpec | None:
        if node is None or isinstance(node, Scalar):
            return ApprovalSpec() if self.boolean(node, key) else None
        approval = self.mapping(node, key, "approval")
        if approval is None:
            return None
        return ApprovalSpec(
            teams=self.one_or_list(approval.value("by"), join(key, "by"), "team"),
            count=self.whole(approval.value("count"), join(key, "count"), "people", 1),
            message=self.read(approval.value("message"), join(key, "message"), "text") or "",
            ask=self.parameter_list(approval.value("ask"), join(key, "ask")),
        )

    def resources(self, node: Node | None, key: str) -> ResourcesSpec:
        resources = self.mapping(node, key, "resources")
        if resources is None:
            return ResourcesSpec()
        return ResourcesSpec(
            cpus=self._cpus(resources.value("cpus"), join(key, "cpus")),
            memory_mb=self._memory_mb(resources, join(key, "memory")),
        )

    def _cpus(self, node: Node | None, key: str) -> float | None:
        if node is None:
            return None
        told = KINDS["cpus"]
        number = decimal(node)
        if number is None or not (told.least or 0) <= number <= (told.most or number):
            self.note(node, key, f"{shown(node)} does not fit", told.means)
            return None
        return number

    def _memory_mb(self, resources: Mapping, key: str) -> int | None:
        text = self.read(resources.value("memory"), key, "memory")
        if text is None:
            return None
        return int(text[:-1]) * (1024 if text.endswith("g") else 1)


def decimal(node: Node) -> float | None:
    """The number that an unquoted scalar such as 2 or 0.5 stands for."""
    is_number = isinstance(node, Scalar) and node.plain and node.kind == "a number" and len(node.text) <= 9
    try:
        return float(node.text) if is_number and isinstance(node, Scalar) else None
    except ValueError:
        return None
