"""Which image machines are made of, which are removed, and in what words that is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vcycled.images.shelf import (
    HANDED_SECONDS,
    UNUSED_SECONDS,
    Unwanted,
    Want,
    choose,
    unwanted,
)
from vcycled.images.status import ImageState, ImageStatus, sentence, size_text
from vcycled.spaces.base import StoredImage
from vcycled.testing.clock import START as NOW

IMAGE = StoredImage(
    id="a",
    name="vcycle-disk.img",
    is_ready=True,
    is_used=False,
    size_bytes=5,
    created_at=NOW,
    tags={"vcycle_source": "/disk.img", "vcycle_sha256": "new", "vcycle_format": "raw"},
)
WANT = Want(source="/disk.img", sha256="new", format="raw", signers={})


def image(image_id: str = "a", tags: dict[str, str] | None = None, **changes: Any) -> StoredImage:  # noqa: ANN401 - replace() refuses wrong names
    """Return a ready image of the source, with other `tags`."""
    return replace(IMAGE, id=image_id, tags={**IMAGE.tags, **(tags or {})}, **changes)


OLD = {"vcycle_sha256": "old"}


@pytest.mark.parametrize(
    ("images", "want", "chosen"),
    [
        pytest.param([], WANT, None, id="none"),
        pytest.param([image()], WANT, "a", id="the one"),
        pytest.param([image(is_ready=False)], WANT, None, id="not ready"),
        pytest.param(
            [image(), image("b", OLD, created_at=NOW + 9)], WANT, "a", id="content before age"
        ),
        pytest.param(
            [image("b", OLD, created_at=NOW + 9), image("c", OLD)],
            WANT,
            "b",
            id="else the newest of the source",
        ),
        pytest.param(
            [image("b", OLD, created_at=None), image("c", OLD)], WANT, "c", id="ageless is oldest"
        ),
        pytest.param(
            [image("b", created_at=NOW + 9), image("c")],
            replace(WANT, sha256="", format=""),
            "b",
            id="the newest while the content is not known",
        ),
        pytest.param(
            [image("b", {"vcycle_source": "/else"})], WANT, "b", id="the same from elsewhere"
        ),
        pytest.param(
            [image("b", {"vcycle_source": "/else", "vcycle_format": "iso"})],
            WANT,
            None,
            id="the same as another kind of disk",
        ),
        pytest.param(
            [image("b", {"vcycle_source": "/else", **OLD})],
            WANT,
            None,
            id="another from elsewhere",
        ),
        pytest.param(
            [image("b", {"vcycle_source": "/else", "vcycle_sha256": ""})],
            replace(WANT, sha256="", format=""),
            None,
            id="nothing known is not the same as nothing",
        ),
    ],
)
def test_machines_are_made_of_what_the_source_holds_or_last_held(
    images: list[StoredImage], want: Want, chosen: str | None
) -> None:
    """In whatever order they are listed."""
    for order in (images, images[::-1]):
        found = choose(order, want)
        assert (found.id if found else None) == chosen


@pytest.mark.parametrize(
    ("tag", "verified", "is_chosen"),
    [
        pytest.param("", "", False, id="nobody"),
        pytest.param("/CN=good", "", True, id="verified when it was uploaded"),
        pytest.param("", "/CN=good", True, id="verified since"),
        pytest.param("/CN=bad", "", False, id="another"),
        pytest.param("/CN=good", "/CN=bad", False, id="what was seen here counts"),
    ],
)
def test_a_machinetype_that_asks_for_a_signer_gets_no_other_image(
    tag: str, verified: str, *, is_chosen: bool
) -> None:
    """Neither an unsigned one nor one of somebody else."""
    tags = {"vcycle_signer": tag} if tag else {}
    want = replace(WANT, pattern="/CN=good$", signers={"new": verified} if verified else {})
    assert (choose([image(tags=tags)], want) is not None) == is_chosen


def going(images: list[StoredImage], before: dict[str, Unwanted], **changes: Any) -> set[str]:  # noqa: ANN401 - as above
    """Return the ids that are to go now."""
    usual: dict[str, Any] = {
        "kept": frozenset(),
        "uploading": frozenset(),
        "handed": {},
        "now": NOW,
    }
    given = {**usual, **changes}
    found = unwanted(images, before, **given)
    before.clear()
    before.update(found)
    return {key for key, each in found.items() if each.is_due(now=given["now"])}


def test_an_image_goes_after_two_looks_that_are_far_enough_apart() -> None:
    """To the second."""
    before: dict[str, Unwanted] = {}
    assert going([IMAGE], before) == set()
    assert going([IMAGE], before, now=NOW + UNUSED_SECONDS - 1) == set()
    assert going([IMAGE], before, now=NOW + UNUSED_SECONDS) == {"a"}


def test_one_look_is_never_enough() -> None:
    """However late it is."""
    assert going([IMAGE], {}, now=NOW + 10**6) == set()


def test_the_time_begins_anew_when_a_machine_uses_it() -> None:
    """Also for a moment only."""
    before: dict[str, Unwanted] = {}
    used = replace(IMAGE, is_used=True)
    assert going([IMAGE], before) == set()
    assert going([used], before, now=NOW + 100) == set()
    assert going([used], before, now=NOW + 2 * UNUSED_SECONDS) == set()
    assert going([IMAGE], before, now=NOW + 2 * UNUSED_SECONDS + 1) == set()
    assert going([IMAGE], before, now=NOW + 3 * UNUSED_SECONDS) == set()
    assert going([IMAGE], before, now=NOW + 3 * UNUSED_SECONDS + 1) == {"a"}


@pytest.mark.parametrize(
    ("seconds", "is_used"), [(HANDED_SECONDS - 1, True), (HANDED_SECONDS, False)]
)
def test_an_image_just_given_to_a_creation_counts_as_used(seconds: int, *, is_used: bool) -> None:
    """Its machine may not be listed yet."""
    found = unwanted(
        [IMAGE],
        {},
        kept=frozenset(),
        uploading=frozenset(),
        handed={"a": NOW - seconds},
        now=NOW,
    )
    assert found["a"].is_used == is_used


def test_what_is_wanted_or_being_uploaded_is_never_to_go() -> None:
    """A ready image of the same content that nobody wants is."""
    half = replace(IMAGE, is_ready=False)
    for changes in ({"kept": {"a"}}, {"uploading": {"new"}}):
        before: dict[str, Unwanted] = {}
        going([half], before, **changes)
        assert before == {}
    before = {}
    going([IMAGE], before, uploading={"new"})
    assert before.keys() == {"a"}


STATUS = ImageStatus(source="/disk.img", state=ImageState.WAITING, since=NOW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {
                "state": ImageState.UPLOADING,
                "size_bytes": 21 * 2**30 // 10,
                "done_bytes": 731 * 2**20,
            },
            "being uploaded, 33 % of 2.1 GiB",
        ),
        (
            {"state": ImageState.DOWNLOADING, "size_bytes": None, "done_bytes": 34 * 2**20},
            "being downloaded, 34.0 MiB so far",
        ),
        ({"state": ImageState.CHECKING}, "being read, to tell what it is"),
        ({"detail": "another image is being uploaded"}, "another image is being uploaded"),
        ({}, "waiting"),
        (
            {"state": ImageState.FAILED, "detail": "no answer", "until": NOW},
            f"no answer; tried again at {NOW}",
        ),
    ],
)
def test_what_is_being_done_has_a_sentence(changes: dict[str, Any], said: str) -> None:
    """For `vcycle why`, which retells instants."""
    assert sentence(replace(STATUS, **changes)) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (2**20 - 1, "1024.0 KiB"),
        (2**20, "1.0 MiB"),
        (2**30 - 2**16, "1023.9 MiB"),
        (2**30, "1.0 GiB"),
    ],
)
def test_sizes_are_told_in_units_of_1024(size: int, said: str) -> None:
    """As all options of sizes are meant, and named so."""
    assert size_text(size) == said
