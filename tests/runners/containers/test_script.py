"""The files that a container runs; what they do is asked of a real container by the contract."""

import io
import tarfile

from pipelines.spec.model import StepSpec
from runners.containers.script import CA_BUNDLE, MAIN, archive, files_of, main_script


def test_each_step_is_a_file_and_a_line_of_the_main_script() -> None:
    files = files_of(["echo one", "echo two\necho 'three'"], ca_bundle=b"certificates")

    assert files["/slipway/steps/0"] == b"echo one\n"
    assert files["/slipway/steps/1"] == b"echo two\necho 'three'\n"
    assert files[MAIN].endswith(b"step 0\nstep 1\nfinish 0\n")
    assert files[CA_BUNDLE] == b"certificates"


def test_nothing_of_a_step_gets_into_the_main_script() -> None:
    step = StepSpec("'; rm -rf /; '", "'; rm -rf /; '", workdir="$(rm -rf /)", env={"A": "`rm -rf /`"})

    assert main_script([step]) == main_script([StepSpec("a", "b")])


def test_files_and_workspace_are_one_archive() -> None:
    workspace = io.BytesIO()
    with tarfile.open(fileobj=workspace, mode="w") as tar:
        info = tarfile.TarInfo("workspace/a")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))

    whole = b"".join(archive({"/slipway/x": b"y" * 513}, [workspace.getvalue()]))

    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert tar.getnames() == ["slipway/x", "workspace/a"]
        content = tar.extractfile("slipway/x")
        assert content is not None
        assert content.read() == b"y" * 513
