"""Who signed an image: blocks, signature, chain, revocation and name, with a CA of our own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from vcycled.errors import ImageError
from vcycled.images import check_signer, examine, signer_of
from vcycled.images.names import slash_name
from vcycled.testing.clock import START

BLOCK = 32 * 1024
DAY = timedelta(days=1)
NOW = datetime.fromtimestamp(START, tz=UTC)
SIGNER = "/DC=org/DC=example/OU=computers/CN=cvm-sign01.example.org"


def name(*parts: str) -> x509.Name:
    """Return a name of parts such as `DC=org`, the most general first."""
    oids = {
        "DC": NameOID.DOMAIN_COMPONENT,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
        "E": NameOID.EMAIL_ADDRESS,
    }
    pairs = (part.split("=", 1) for part in parts)
    return x509.Name([x509.NameAttribute(oids[key], value) for key, value in pairs])


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate as text."""
        return self.certificate.public_bytes(Encoding.PEM)


KEY, OTHER_KEY, ROOT_KEY = (
    rsa.generate_private_key(public_exponent=65_537, key_size=2048) for _ in range(3)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a certificate is to say."""

    subject: x509.Name
    key: rsa.RSAPrivateKey = KEY
    is_authority: bool | None = None
    """None says nothing of it."""
    may_sign: bool | None = None
    starts: datetime = NOW - DAY
    ends: datetime = NOW + DAY


def issue(wish: Wish, issuer: Holder | None = None) -> Holder:
    """Return a certificate by `issuer`, or by itself."""
    signer = wish.key if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(wish.subject)
        .issuer_name(wish.subject if issuer is None else issuer.certificate.subject)
        .public_key(wish.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(wish.starts)
        .not_valid_after(wish.ends)
    )
    if wish.is_authority is not None:
        says = x509.BasicConstraints(ca=wish.is_authority, path_length=None)
        builder = builder.add_extension(says, critical=True)
    if wish.may_sign is not None:
        builder = builder.add_extension(_usage(may_sign=wish.may_sign), critical=True)
    return Holder(certificate=builder.sign(signer, SHA256()), key=wish.key)


def _usage(*, may_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=may_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


ROOT_WISH = Wish(
    subject=name("DC=org", "CN=Root CA"), key=ROOT_KEY, is_authority=True, may_sign=True
)
ROOT = issue(ROOT_WISH)
LEAF_WISH = Wish(subject=name("DC=org", "DC=example", "OU=computers", "CN=cvm-sign01.example.org"))
LEAF = issue(LEAF_WISH, ROOT)
MIDDLE_WISH = Wish(
    subject=name("DC=org", "CN=Issuing CA"), key=OTHER_KEY, is_authority=True, may_sign=True
)


@dataclass(slots=True, kw_only=True)
class Scene:
    """An image file and a folder of authorities."""

    folder: Path
    body: bytes = b"\xeb" * 100_000
    metadata: bytes = b'{"ucernvm-version": "2.1"}'
    certificates: Sequence[Holder] = (LEAF,)

    @property
    def cas(self) -> Path:
        """The folder of authorities."""
        return self.folder / "certificates"

    def trust(self, holder: Holder, file: str = "5f1e2a3b.0") -> None:
        """Put a certificate into it."""
        self.cas.mkdir(exist_ok=True)
        (self.cas / file).write_bytes(holder.pem)

    @property
    def signed(self) -> bytes:
        """What is signed: the image and the first block."""
        return self.body + self.metadata.ljust(BLOCK, b"\0")

    def block(self, **changes: object) -> bytes:
        """Return the last block."""
        pem = b"".join(each.pem for each in self.certificates)
        signature = self.certificates[0].key.sign(self.signed, padding.PKCS1v15(), SHA256())
        fields: dict[str, object] = {
            "howto-verify": ["openssl ..."],
            "certificate": base64.b64encode(pem).decode(),
            "signature": base64.b64encode(signature).decode(),
        }
        return json.dumps({**fields, **changes}).encode()

    def signer(self, content: bytes | None = None, *, now: int = START) -> str:
        """Write the image and return who signed it."""
        path = self.folder / "vm.hdd"
        whole = self.signed + self.block().ljust(BLOCK, b"\0") if content is None else content
        path.write_bytes(whole)
        image = examine(path, "vm.hdd", is_stopping=lambda: False)
        return signer_of(image, self.cas, now=now)

    def with_block(self, block: bytes) -> bytes:
        """Return the image with this last block."""
        return self.signed + block.ljust(BLOCK, b"\0")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """An image signed by a leaf of the one authority that is trusted."""
    made = Scene(folder=tmp_path)
    made.trust(ROOT)
    return made


def test_a_signed_image_has_a_signer(scene: Scene) -> None:
    """By the name in the certificate, in the form that patterns are written for."""
    assert scene.signer() == SIGNER


def test_the_block_may_lack_commas(scene: Scene) -> None:
    """As that of images in circulation does."""
    block = scene.block().replace(b", ", b"\n")
    with pytest.raises(ValueError, match="Expecting ',' delimiter"):
        json.loads(block)
    assert scene.signer(scene.with_block(block)) == SIGNER


def test_the_certificate_may_be_wrapped(scene: Scene) -> None:
    """Base64 in lines, and slashes escaped, as some JSON writers do."""
    fields = json.loads(scene.block())
    wrapped = "\n".join(fields["certificate"][at : at + 64] for at in range(0, 4000, 64))
    block = json.dumps({**fields, "certificate": wrapped}).replace("/", "\\/").encode()
    assert scene.signer(scene.with_block(block)) == SIGNER


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(
            lambda all_: b"\0" + all_[1:], "changed after it was signed", id="first byte"
        ),
        pytest.param(
            lambda all_: all_[: -BLOCK - 1] + b"x" + all_[-BLOCK:],
            "changed after it was signed",
            id="last byte of the first block",
        ),
        pytest.param(
            lambda all_: all_[:-BLOCK] + bytes(BLOCK), "no certificate at its end", id="unsigned"
        ),
        pytest.param(lambda all_: all_[: 2 * BLOCK], "too short", id="nothing but blocks"),
        pytest.param(lambda all_: all_[BLOCK:], "changed after it was signed", id="cut"),
    ],
)
def test_an_image_that_is_not_as_it_was_signed_has_none(
    scene: Scene, change: Callable[[bytes], bytes], why: str
) -> None:
    """One byte is enough, also of the metadata."""
    whole = scene.with_block(scene.block())
    with pytest.raises(ImageError, match=rf"^signature: .*{why}"):
        scene.signer(change(whole))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"certificate": "AAAA"}, "the certificate at its end is damaged"),
        ({"certificate": "AAA"}, "the certificate at its end is damaged"),
        ({"certificate": 5}, "there is no certificate"),
        ({"signature": None}, "there is no signature"),
        ({"signature": base64.b64encode(b"x" * 256).decode()}, "changed after it was signed"),
    ],
)
def test_a_damaged_block_is_no_signature(
    scene: Scene, changes: dict[str, object], why: str
) -> None:
    """Whatever is in it."""
    with pytest.raises(ImageError, match=why):
        scene.signer(scene.with_block(scene.block(**changes)))


def test_only_authorities_of_the_folder_count(scene: Scene) -> None:
    """Another of the same name does not, nor does a leaf that vouches for itself."""
    forged = issue(LEAF_WISH, issue(replace(ROOT_WISH, key=OTHER_KEY)))
    for leaf in (forged, issue(LEAF_WISH)):
        scene.certificates = (leaf,)
        with pytest.raises(ImageError, match="from no authority that is trusted here"):
            scene.signer()


@pytest.mark.parametrize("file", ["5f1e2a3b.0", "Root.pem", "Root.crt"])
def test_the_folder_is_read_as_sites_fill_it(tmp_path: Path, file: str) -> None:
    """By hash or by name, with other files and damaged ones in between."""
    scene = Scene(folder=tmp_path)
    scene.trust(ROOT, file)
    (scene.cas / "Root.signing_policy").write_text("access_id_CA X509 '/DC=org/CN=Root CA'")
    (scene.cas / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n")
    (scene.cas / "gone.0").symlink_to("nowhere")
    assert scene.signer() == SIGNER


def test_without_authorities_nobody_is_believed(tmp_path: Path) -> None:
    """The folder is named."""
    scene = Scene(folder=tmp_path)
    with pytest.raises(ImageError, match=f"ca_folder {scene.cas} cannot be read: No such file"):
        scene.signer()
    scene.cas.mkdir()
    with pytest.raises(ImageError, match=f"no certificates of authorities in {scene.cas}"):
        scene.signer()


@pytest.mark.parametrize("is_in_image", [True, False])
def test_an_authority_between_may_be_in_the_image_or_the_folder(
    scene: Scene, *, is_in_image: bool
) -> None:
    """As with CERN's, whose root signs only other authorities."""
    middle = issue(MIDDLE_WISH, ROOT)
    leaf = issue(LEAF_WISH, middle)
    scene.certificates = (leaf,)
    with pytest.raises(ImageError, match="from no authority"):
        scene.signer()
    if is_in_image:
        scene.certificates = (leaf, middle)
    else:
        scene.trust(middle, "middle.pem")
    assert scene.signer() == SIGNER


def test_an_authority_between_is_not_a_root(scene: Scene) -> None:
    """It needs its own, also if it is in the folder."""
    middle = issue(MIDDLE_WISH, ROOT)
    (scene.cas / "5f1e2a3b.0").unlink()
    scene.trust(middle, "middle.pem")
    scene.certificates = (issue(LEAF_WISH, middle),)
    with pytest.raises(ImageError, match="no certificates of authorities"):
        scene.signer()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"is_authority": None}, id="does not say that it is one"),
        pytest.param({"is_authority": False}, id="says that it is none"),
        pytest.param({"may_sign": False}, id="must not sign certificates"),
    ],
)
def test_who_is_no_authority_can_vouch_for_nobody(
    scene: Scene, changes: dict[str, bool | None]
) -> None:
    """A host's certificate from the same authority signs no further ones."""
    middle = issue(replace(MIDDLE_WISH, **changes), ROOT)  # type: ignore[arg-type] # its fields
    scene.certificates = (issue(LEAF_WISH, middle), middle)
    with pytest.raises(ImageError, match="from no authority"):
        scene.signer()


@pytest.mark.parametrize(
    ("starts_in", "ends_in", "why"),
    [
        pytest.param(0, 10, "", id="starts now"),
        pytest.param(1, 10, "is not valid yet", id="starts in a second"),
        pytest.param(-10, 0, "", id="ends now"),
        pytest.param(-10, -1, r"ended at 2027-01-15 07:59", id="ended a second ago"),
    ],
)
def test_certificates_must_be_valid_now(
    scene: Scene, starts_in: int, ends_in: int, why: str
) -> None:
    """To the second, both ends included."""
    wish = replace(
        LEAF_WISH,
        starts=NOW + timedelta(seconds=starts_in),
        ends=NOW + timedelta(seconds=ends_in),
    )
    scene.certificates = (issue(wish, ROOT),)
    if why:
        with pytest.raises(ImageError, match=why):
            scene.signer()
    else:
        assert scene.signer() == SIGNER


def test_the_authority_must_be_valid_too(scene: Scene) -> None:
    """An old one vouches for nobody."""
    old = issue(replace(ROOT_WISH, starts=NOW - 9 * DAY, ends=NOW - DAY))
    scene.trust(old)
    scene.certificates = (issue(LEAF_WISH, old),)
    with pytest.raises(ImageError, match="from no authority"):
        scene.signer()


def revoked(holder: Holder, issuer: Holder, *, key: rsa.RSAPrivateKey | None = None) -> bytes:
    """Return the list of those that an authority revoked."""
    entry = (
        x509.RevokedCertificateBuilder()
        .serial_number(holder.certificate.serial_number)
        .revocation_date(NOW - DAY)
        .build()
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW - 9 * DAY)
        .next_update(NOW - 2 * DAY)
        .add_revoked_certificate(entry)
    )
    return builder.sign(key or issuer.key, SHA256()).public_bytes(Encoding.PEM)


def test_a_revoked_certificate_signs_nothing_any_more(scene: Scene) -> None:
    """Also if nobody renewed the list since."""
    (scene.cas / "5f1e2a3b.r0").write_bytes(revoked(LEAF, ROOT))
    with pytest.raises(ImageError, match="was revoked by its authority"):
        scene.signer()


def test_lists_of_others_revoke_nothing(scene: Scene) -> None:
    """A forged one, a damaged one, one that revokes another certificate."""
    (scene.cas / "a.r0").write_bytes(revoked(LEAF, ROOT, key=OTHER_KEY))
    (scene.cas / "b.crl").write_bytes(b"\x30\x03")
    (scene.cas / "c.r0").write_bytes(revoked(ROOT, ROOT))
    other = replace(ROOT, certificate=issue(MIDDLE_WISH, ROOT).certificate)
    (scene.cas / "d.r0").write_bytes(revoked(LEAF, other))
    assert scene.signer() == SIGNER


def test_a_key_of_another_kind_is_refused(scene: Scene) -> None:
    """In words."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(LEAF_WISH.subject)
        .issuer_name(ROOT_WISH.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )
    scene.certificates = (replace(LEAF, certificate=builder.sign(ROOT_KEY, SHA256())),)
    with pytest.raises(ImageError, match="signature: the key of its signer is not RSA"):
        scene.signer()


@pytest.mark.parametrize(
    ("pattern", "is_right"),
    [
        (r"/CN=cvm-sign01\.example\.org$", True),
        (r"^/DC=org/", True),
        ("computers", True),
        (r"/CN=cvm-sign01\.example$", False),
        ("/cn=CVM", False),
    ],
)
def test_the_pattern_is_looked_for_in_the_name(pattern: str, *, is_right: bool) -> None:
    """Anywhere, as Vcycle 3 did and its manual's example needs."""
    if is_right:
        check_signer(SIGNER, pattern)
        return
    with pytest.raises(ImageError, match=f"^signature: by {SIGNER}, which cernvm_signing_dn"):
        check_signer(SIGNER, pattern)


def test_names_are_written_as_openssl_does() -> None:
    """In the order of the certificate."""
    given = name("DC=org", "OU=a/b", "CN=host/vm.example.org", "E=x@example.org")
    assert slash_name(given) == "/DC=org/OU=a/b/CN=host/vm.example.org/emailAddress=x@example.org"


@pytest.mark.parametrize("value", ["CN=x/CN=cvm-sign01.example.org", "CN=x\n/CN", "CN=a/1.2.3=b"])
def test_no_value_can_look_like_another_name(scene: Scene, value: str) -> None:
    """Authorities that let their users choose a common name must not let them choose a signer."""
    scene.certificates = (issue(Wish(subject=name("DC=org", value)), ROOT),)
    with pytest.raises(ImageError, match="could be taken for another name"):
        scene.signer()
