"""Full refs everywhere: what is called like a tag is no tag, and names that end alike do not meet."""

from tests.stories.works import Works

TRACK = """\
image: IMAGE
stages:
  build:
    steps: [mkdir dist && echo made > dist/made]
    artifacts: [dist/]
  onlytag:
    when: {tag: v*}
    steps: [echo this is a tag]
deploy: {artifact: dist/, path: PATH, health: {command: test -f made}}
"""


def test_a_branch_named_like_a_tag_never_reaches_production(works: Works) -> None:
    works.scene.add_production(works.name, ref_pattern="refs/tags/v*")
    spec = TRACK.replace("PATH", works.path)
    works.push(spec, "Base")
    works.push(spec, "Named like a tag", branch="v1.2.3")
    lookalike = works.push(spec, "Nearly", branch="x-v1.2.3")
    for run in (1, 2, 3):
        assert "this is a tag" not in works.ends(run, "succeeded").words
    works.repository.tag("v1.2.4", lookalike.after)
    works.ends(4, "succeeded")
    works.deploy_ends(1, "succeeded")
    assert "this is a tag" in works.log(4, "onlytag")
    page = works.scene.operator.environment(works.name, "production")
    assert "production runs release 4" in page.title  # each green run cut one, the tag's alone came here
    assert page.words.count("another rule's") == 3
    assert not works.has_deploy(2)


def test_branches_that_end_alike_run_beside_each_other(works: Works) -> None:
    works.push("image: IMAGE\nstages: {main: {steps: [echo on the main branch]}}\n", "Main")
    for run, branch in ((2, "a/foo"), (3, "b/foo"), (4, "foo")):
        spec = f"image: IMAGE\nstages: {{say: {{steps: [echo this is $SLIPWAY_REF of {branch}]}}}}\n"
        works.push(spec, f"On {branch}", branch=branch)
        works.ends(run, "succeeded")
    for run, branch in ((2, "a/foo"), (3, "b/foo"), (4, "foo")):
        assert f"this is refs/heads/{branch} of {branch}" in works.log(run, "say")
