"""What an OpenStack answers, read member by member; and answers that are not the API's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import canned_openstack
from tests.canned_openstack import (
    SERVERS,
    CannedCloud,
    connected,
)
from vcycled.errors import Unavailable
from vcycled.spaces.openstack.answers import Doc, read_doc

mock = canned_openstack.mock
cloud = canned_openstack.cloud


def test_members_of_an_answer_are_read_with_their_types() -> None:
    """What is absent or null has the default."""
    doc = read_doc(
        "machines",
        b'{"a": "x", "n": 3, "f": true, "d": {"k": "v"}, "l": [{"i": 1}], "t": ["y"], "z": null}',
    )
    assert (doc.text("a"), doc.whole("n"), doc.flag("f")) == ("x", 3, True)
    assert (doc.doc("d").text("k"), doc.mapping("d")) == ("v", {"k": "v"})
    assert [each.whole("i") for each in doc.docs("l")] == [1]
    assert (doc.texts("t"), doc.texts("none"), doc.mapping("none")) == (["y"], [], {})
    assert (doc.text("z", "d"), doc.whole("none", 0), doc.doc("z", {}).members) == ("d", 0, {})
    assert ("a" in doc, "z" in doc, "none" in doc) == (True, False, False)
    assert list(doc) == ["a", "n", "f", "d", "l", "t", "z"]


@pytest.mark.parametrize(
    ("read", "detail"),
    [
        pytest.param(lambda doc: doc.text("none"), "none is not a text", id="absent"),
        pytest.param(lambda doc: doc.text("null"), "null is not a text", id="null"),
        pytest.param(lambda doc: doc.text("n", ""), "n is not a text", id="a number for a text"),
        pytest.param(lambda doc: doc.whole("f"), "f is not a whole number", id="true for 1"),
        pytest.param(lambda doc: doc.flag("n"), "n is not a true or false", id="3 for true"),
        pytest.param(lambda doc: doc.docs("none"), "none is not a list", id="no list"),
        pytest.param(lambda doc: doc.docs("t"), "t is not a object", id="a list of others"),
        pytest.param(lambda doc: doc.mapping("m"), "m is not a text", id="a value that is none"),
        pytest.param(lambda doc: doc.doc("t"), "t is not a object", id="a list for an object"),
    ],
)
def test_an_answer_that_is_not_the_api_s_proves_nothing(
    read: Callable[[Doc], object], detail: str
) -> None:
    """Nothing is concluded from it, and the next cycle asks again."""
    doc = read_doc("machines", b'{"n": 3, "f": true, "null": null, "t": ["y"], "m": {"k": 1}}')
    with pytest.raises(Unavailable) as caught:
        read(doc)
    assert str(caught.value) == f"machines: the cloud's answer makes no sense: {detail}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"servers": [{"id"', id="cut"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"\xff"', id="no text"),
    ],
)
def test_a_body_that_is_no_json_object_proves_nothing(cloud: CannedCloud, content: bytes) -> None:
    """A proxy's page with status 200, for instance."""
    cloud.answer("GET", SERVERS, 200, content)
    with pytest.raises(Unavailable, match="machines: the cloud's answer is not"):
        connected().call("machines", "compute", "GET", "/servers")


def test_an_answer_without_a_body_is_empty(cloud: CannedCloud) -> None:
    """As after a deletion."""
    cloud.answer("DELETE", f"{SERVERS}/s1", 204)
    assert list(connected().call("delete", "compute", "DELETE", "/servers/s1")) == []
