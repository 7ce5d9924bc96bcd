"""Where lines and bars stand."""

import pytest

from server.web.drawings import graph, ribs, ruler, timeline
from server.web.drawings.graph import Node
from server.web.drawings.ribs import Bar
from server.web.drawings.ruler import Mark
from server.web.drawings.timeline import Span


def test_the_newest_rib_stands_rightmost_however_few_there_are() -> None:
    drawn = ribs.draw([Bar("succeeded", 10, "run 1"), Bar("failed", 5, "run 2")])
    assert [rib.x for rib in drawn.ribs] == [163, 172]
    assert drawn.label == "last 2 runs, 1 succeeded"


def test_the_longest_run_is_the_tallest_and_every_rib_stands_on_the_keel() -> None:
    drawn = ribs.draw([Bar("succeeded", seconds, "") for seconds in (60, 120, 30)])
    assert max(drawn.ribs, key=lambda rib: rib.height) is drawn.ribs[1]
    assert {rib.y + rib.height for rib in drawn.ribs} == {ribs.KEEL}


def test_only_what_went_wrong_has_a_cap() -> None:
    drawn = ribs.draw([Bar(status, 1, "") for status in ("succeeded", "failed", "errored", "cancelled", "running")])
    assert [rib.cap is not None for rib in drawn.ribs] == [False, True, True, False, False]


def test_no_runs_draw_an_empty_keel() -> None:
    assert ribs.draw([]).ribs == []


def test_environments_that_run_the_same_release_share_a_flag() -> None:
    marks = [Mark(1, False, False), Mark(2, True, False), Mark(3, True, False)]
    drawn = ruler.draw(marks, {"production": 2, "staging": 3, "preview": 3}, width=236, pitch=28)
    assert [flag.names for flag in drawn.flags] == ["production", "staging, preview"]
    assert drawn.flags[0].y < drawn.flags[1].y


def test_ticks_stand_left_of_each_other_in_the_order_of_their_numbers() -> None:
    drawn = ruler.draw([Mark(n, False, False) for n in range(7)], {}, width=236, pitch=28)
    places = [tick.x for tick in drawn.ticks]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < 236
    assert drawn.label == "nothing is live anywhere"


def test_stages_stand_in_columns_by_what_they_need() -> None:
    nodes = [Node("a", "succeeded", [], ""), Node("b", "running", ["a"], ""), Node("c", "pending", ["a", "b"], "")]
    drawn = graph.draw(nodes)
    assert [plate.x for plate in drawn.plates] == [0.5, 109.5, 218.5]
    assert len(drawn.edges) == 3


def test_combinations_of_a_matrix_stand_in_one_bracket_under_their_values() -> None:
    nodes = [
        Node("build", "succeeded", [], ""),
        Node("test (3.11)", "running", ["build"], "", "test, by python", "3.11"),
        Node("test (3.12)", "pending", ["build"], "", "test, by python", "3.12"),
        Node("docs", "pending", ["build"], ""),
    ]
    drawn = graph.draw(nodes)
    plates = {plate.node.name: plate for plate in drawn.plates}
    (bracket,) = drawn.brackets
    inside = [plates["test (3.11)"], plates["test (3.12)"]]
    assert all(bracket.y < plate.y < bracket.y + bracket.height - graph.PLATE_HEIGHT for plate in inside)
    assert all(bracket.x < plate.x < bracket.x + bracket.width - graph.PLATE_WIDTH for plate in inside)
    assert plates["docs"].y > bracket.y + bracket.height
    assert [plate.short_name for plate in inside] == ["3.11", "3.12"]
    assert plates["docs"].y + graph.PLATE_HEIGHT < drawn.height
    assert bracket.x + bracket.width < drawn.width


def _matrix(count: int, *needs: str) -> list[Node]:
    label = "3.{} on postgres:16".format
    return [Node(f"test ({n})", "running", needs, "", "test, by python, db", label(n)) for n in range(count)]


def test_many_combinations_stand_beside_each_other_within_their_bracket_and_nothing_overlaps() -> None:
    drawn = graph.draw([Node("build", "succeeded", [], ""), *_matrix(20, "build")])
    (bracket,) = drawn.brackets
    low = [plate for plate in drawn.plates if plate.is_low]
    assert len(low) == 20
    assert len({(plate.x, plate.y) for plate in low}) == 20
    assert len({plate.x for plate in low}) == 2
    assert all(plate.x + plate.width < bracket.x + bracket.width for plate in low)
    assert all(plate.y + plate.height < bracket.y + bracket.height for plate in low)
    assert drawn.height < 400


def test_a_large_matrix_has_one_edge_to_it_and_one_from_it() -> None:
    tests = _matrix(20, "build")
    after = Node("deploy", "pending", [test.name for test in tests], "")
    drawn = graph.draw([Node("build", "succeeded", [], ""), *tests, after])
    assert [edge.state for edge in drawn.edges] == ["done", "wait"]


def test_what_needs_one_combination_of_a_large_matrix_has_its_edge_from_that_one() -> None:
    drawn = graph.draw([*_matrix(20), Node("docs", "pending", ["test (3)", "test (4)"], "")])
    assert len(drawn.edges) == 2


def test_hundreds_of_combinations_are_drawn_in_a_moment() -> None:
    tests = _matrix(256)
    after = [Node(f"after ({n})", "pending", [one.name for one in tests], "", "after", str(n)) for n in range(64)]
    drawn = graph.draw([*tests, *after])
    assert len(drawn.plates) == 320
    assert len(drawn.edges) == 1


def test_an_edge_tells_whether_it_was_passed_waits_or_leads_nowhere() -> None:
    nodes = [
        Node("good", "succeeded", [], ""),
        Node("bad", "failed", [], ""),
        Node("after", "running", ["good"], ""),
        Node("waits", "pending", ["after"], ""),
        Node("lost", "skipped", ["bad"], ""),
    ]
    assert {edge.state for edge in graph.draw(nodes).edges} == {"done", "wait", "bad"}


def test_a_circle_or_a_stranger_in_the_data_does_not_hang_the_page() -> None:
    nodes = [Node("a", "pending", ["b"], ""), Node("b", "pending", ["a", "gone"], "")]
    assert len(graph.draw(nodes).plates) == 2


def test_long_names_are_cut_to_fit_their_plate() -> None:
    plate = graph.draw([Node("a-name-longer-than-any-plate", "pending", [], "because of something else")]).plates[0]
    assert plate.width == graph.WIDEST
    assert plate.short_name == "a-name-longer-th…"
    assert plate.short_note.endswith("…")


def test_no_stages_draw_nothing() -> None:
    assert graph.draw([]).plates == []
    assert timeline.draw([], 5).lanes == []


def test_a_lane_shows_waiting_then_work() -> None:
    lane = timeline.draw([Span("build", "succeeded", 0, 10, 50)], now=60).lanes[0]
    assert lane.wait == (0, 20)
    assert lane.work == (20, 80)
    assert lane.seconds == 40


def test_what_runs_reaches_to_now() -> None:
    lane = timeline.draw([Span("build", "running", 0, 0, None)], now=100).lanes[0]
    assert lane.running
    assert lane.seconds == 100


def test_what_never_started_has_no_bar() -> None:
    lane = timeline.draw([Span("build", "skipped", None, None, None)], now=9).lanes[0]
    assert (lane.wait, lane.work, lane.seconds) == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (4, ["0", "1", "2", "3", "4 s"]),
        (250, ["0", "1", "2", "3", "4", "5 min"]),
        (7200, ["0", "0.5", "1", "1.5", "2 h"]),
    ],
)
def test_the_axis_counts_in_a_unit_that_fits(seconds: float, labels: list[str]) -> None:
    assert timeline.draw([Span("a", "succeeded", 0, 0, seconds)], seconds).labels == labels
