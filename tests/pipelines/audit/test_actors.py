"""How ledgers name people and programs."""

from pipelines.audit.actors import maker_of, name_of, number_of, program


def test_a_program_is_no_person_but_has_a_maker() -> None:
    named = program("token ci of shop", "ada (#7)")
    assert (number_of(named), maker_of(named), name_of(named)) == (None, 7, "token ci of shop")


def test_a_program_s_name_cannot_name_another_maker() -> None:
    named = program("token ci (made by #9) of shop", "ada (#7)")
    assert maker_of(named) == 7


def test_a_long_name_leaves_room_for_the_maker() -> None:
    named = program("x" * 200, "ada (#123456789)")
    assert len(named) <= 150
    assert maker_of(named) == 123456789


def test_a_person_has_a_number_and_no_maker() -> None:
    assert (number_of("ada (#7)"), maker_of("ada (#7)"), name_of("ada (#7)")) == (7, None, "ada")
