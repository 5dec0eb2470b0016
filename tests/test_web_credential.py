"""What a chain says of a client, also chains that TLS would never let through."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.grid import DN, NOW, authority, member, proxy
from tests.proxy_kit import DAY, Paper, Wanted, ec_key, issue, name
from vcycled.model.dn import parse_dn
from vcycled.web.credential import credential_of, name_of

CA = authority()
VM1 = member(CA, "vm1")
PROXY = proxy(VM1)


def der(*papers: Paper) -> list[bytes]:
    """The chain as TLS shows it."""
    return [each.certificate.public_bytes(Encoding.DER) for each in papers]


def odd(subject: x509.Name | None = None) -> Paper:
    """A certificate with a name that cannot be compared."""
    two = x509.RelativeDistinguishedName(
        [x509.NameAttribute(oid, "vm1") for oid in (NameOID.COMMON_NAME, NameOID.USER_ID)]
    )
    wanted = Wanted(
        subject=x509.Name([two]) if subject is None else subject,
        begins_at=NOW - DAY,
        ends_at=NOW + DAY,
    )
    return issue(wanted, ec_key(), CA)


@pytest.mark.parametrize(
    "papers",
    [
        pytest.param([VM1, CA], id="plain"),
        pytest.param([PROXY, VM1, CA], id="a proxy"),
        pytest.param([proxy(PROXY), PROXY, VM1, CA], id="a proxy of a proxy"),
    ],
)
def test_a_proxy_is_whom_it_stands_for(papers: list[Paper]) -> None:
    """The name is that of the first certificate that is no proxy; CRLs speak of that one."""
    credential = credential_of(der(*papers))
    assert credential is not None
    assert credential.dn == parse_dn(DN)
    assert [(each.issuer, each.serial) for each in credential.signed] == [(name("Test CA"), 77)]
    assert credential.ends_at == VM1.certificate.not_valid_after_utc.timestamp()


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param([], id="none"),
        pytest.param(der(PROXY), id="a proxy alone"),
        pytest.param(der(PROXY, proxy(PROXY), VM1, CA), id="in the wrong order"),
        pytest.param(der(PROXY, CA), id="the signer is missing"),
        pytest.param(der(PROXY, member(CA, "vm10"), CA), id="a sibling as signer"),
        pytest.param(der(PROXY, member(CA), CA), id="the name above as signer"),
        pytest.param([b"nonsense"], id="no certificate"),
        pytest.param([der(VM1)[0][:-1]], id="a cut certificate"),
        pytest.param(der(odd(), CA), id="two values in one part"),
        pytest.param(der(odd(x509.Name([])), CA), id="no name"),
    ],
)
def test_a_chain_that_does_not_hold_is_nobody(chain: list[bytes]) -> None:
    """TLS lets none of them through; we do not count on it alone."""
    assert credential_of(chain) is None


def test_a_single_certificate_has_a_name_unless_it_is_a_proxy() -> None:
    """As a front server tells it."""
    assert name_of(der(VM1)[0]) == parse_dn(DN)
    assert name_of(der(PROXY)[0]) is None
    assert name_of(b"nonsense") is None
