"""Distinguished names: two ways to write them, one way to compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcycled.model.dn import Dn, parse_dn

C, O, OU, CN = "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.3"  # noqa: E741 - as it is called
DC = "0.9.2342.19200300.100.1.25"
VM = ((DC, "org"), (DC, "example"), (CN, "vm"))


@pytest.mark.parametrize(
    ("text", "dn"),
    [
        ("/DC=org/DC=example/CN=vm", VM),
        ("/dc=org/dc=example/cn=vm", VM),
        ("CN=vm,DC=example,DC=org", VM),
        ("CN=vm, DC=example, DC=org", VM),
        ("CN = vm, DC = example, DC = org", VM),
        ("DC = org, DC = example, CN = vm", VM),
        ("/O=Grid/CN=host/vm.example.org", ((O, "Grid"), (CN, "host/vm.example.org"))),
        ("/O=Grid/CN=a/b=c", None),
        ("/O=Grid/CN=vm/Email=a@b", ((O, "Grid"), (CN, "vm"), ("1.2.840.113549.1.9.1", "a@b"))),
        ("/O=A, B/CN=vm", ((O, "A, B"), (CN, "vm"))),
        ("CN=vm,O=A\\, B", ((O, "A, B"), (CN, "vm"))),
        ("CN=R\\C3\\A9,O=x", ((O, "x"), (CN, "Ré"))),
        ("CN=Ré,O=x", ((O, "x"), (CN, "Ré"))),
        ("/O=x/CN=R\\xC3\\xA9", ((O, "x"), (CN, "Ré"))),
        ("/O=x/CN=a\\x41", ((O, "x"), (CN, "a\\x41"))),
        ("CN=vm", ((CN, "vm"),)),
        ("C=UK,O=x", ((O, "x"), (C, "UK"))),
        ("/1.2.3=x/CN=vm", (("1.2.3", "x"), (CN, "vm"))),
        ("/UID=7", (("0.9.2342.19200300.100.1.1", "7"),)),
        ("", None),
        ("vm", None),
        ("/vm", None),
        ("/", None),
        ("x/CN=vm", None),
        ("/CN=", None),
        ("/CN=vm/OU=", None),
        ("CN=vm,", None),
        (",CN=vm", None),
        ("CN=vm,,O=x", None),
        ("CN=a+UID=b,O=x", None),
        ("CN=vm\\", None),
        ("/NOSUCH=vm", None),
        ("/O=x/CN=\\xFF", None),
    ],
)
def test_a_name_is_read_in_either_form(text: str, dn: Dn | None) -> None:
    """Slashes, or commas in either order; no name, or two values in a part, is refused."""
    if dn is None:
        with pytest.raises(ValueError):  # noqa: PT011 - the option's kind says what is accepted
            parse_dn(text)
    else:
        assert parse_dn(text) == dn


VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1
).map(str.strip)
NAMES = st.lists(
    st.tuples(st.sampled_from(["O", "OU", "CN"]), VALUES.filter(bool)), min_size=1, max_size=4
)


@given(NAMES)
def test_both_forms_of_a_name_are_one(parts: list[tuple[str, str]]) -> None:
    """Whatever is in its values, once it is escaped."""
    slashes = "".join(f"/{kind}={value}" for kind, value in parts)
    escaped = [
        (kind, "".join(f"\\{each:02x}" for each in value.encode())) for kind, value in parts
    ]
    commas = ",".join(f"{kind}={value}" for kind, value in [*escaped[::-1], ("C", "UK")])
    assert parse_dn(f"/C=UK{slashes}") == parse_dn(commas)


@given(NAMES, NAMES)
def test_different_names_stay_different(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    """Two names compare equal only if all their parts are."""
    texts = ["".join(f"/{kind}={value}" for kind, value in parts) for parts in (one, other)]
    assert (parse_dn(texts[0]) == parse_dn(texts[1])) == (one == other)
