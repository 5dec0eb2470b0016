"""What all kinds of spaces share."""

from vcycled.spaces.base import owner_mark


def test_the_mark_of_an_installation_never_changes() -> None:
    """Key pairs of earlier versions must be known again."""
    assert owner_mark("4f9d6a5c") == "14af5c1bb6ff"


def test_installations_that_differ_have_marks_that_differ() -> None:
    """Nothing of another installation is taken for ours."""
    assert owner_mark("a") != owner_mark("b")
    assert len(owner_mark("")) == 12
