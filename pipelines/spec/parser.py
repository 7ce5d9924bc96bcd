"""The pipeline file to a PipelineSpec, or to all that is wrong with it."""

from pipelines.spec.deployment import DeployReader
from pipelines.spec.errors import Problem, SpecError
from pipelines.spec.fields import KEYS
from pipelines.spec.model import PipelineSpec
from pipelines.spec.nodes import Node, read_source, read_tree
from pipelines.spec.stages import StageReader

__all__ = ["KEYS", "Problem", "SpecError", "parse"]


def parse(text: bytes | str, *, path: str = ".slipway.yml") -> PipelineSpec:
    """The pipeline that a file describes; raises SpecError with every problem found, never anything else.

    Takes well under a second for any input: the file's bounds are in `nodes`.
    """
    source = read_source(text, path)
    root = read_tree(source)
    reader = _SpecReader(source)
    spec = reader.pipeline(root)
    if spec is None or reader.problems:
        raise SpecError(path, reader.problems)
    return spec


class _SpecReader(StageReader, DeployReader):
    """The sections together, gathering their problems in one list."""

    def pipeline(self, root: Node) -> PipelineSpec | None:
        top = self.mapping(root, "", KEYS[""], "a mapping with `stages`")
        if top is None:
            return None
        image = self.image(top.value("image"), "image")
        env = self.env(top.value("env"), "env")
        stages = self.stages(top, image, env)
        deploy = self.deploy(top.value("deploy"), stages)
        return PipelineSpec(image, env, stages, deploy)
