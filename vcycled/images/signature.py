"""Who signed an image, in the way of CernVM.

The last 64 KiB are two blocks of 32 KiB, filled up with zeros: a JSON object about the image, then
one with its `certificate` and `signature` in base64. The signature is over all but the last block
(RSA, PKCS #1 v1.5, SHA-256). Source: "CernVM Image Signatures" in CernVM's documentation.

The JSON of images in circulation lacks commas between its hints for people, so the two fields are
looked for by name. Nothing is believed of that block but what the signature then proves.
"""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from vcycled.errors import ImageError
from vcycled.images.authorities import verify_chain
from vcycled.images.examine import SIGNATURE_BYTES, Examined
from vcycled.images.names import slash_name

_NOT_SIGNED = "signature: it is not signed as CernVM images are: "


def signer_of(image: Examined, ca_folder: Path, *, now: int) -> str:
    """Return the name of who signed an image, as `/DC=org/DC=example/CN=signer`.

    Args:
        image: as it was examined.
        ca_folder: the certificates of authorities.
        now: must be within the validity of the signer's certificate.

    Raises:
        ImageError: nobody did whose certificate comes from one of these authorities.
    """
    block = _last_block(image)
    certificates = _load(_field(block, "certificate"))
    try:
        _verify(certificates[0], _field(block, "signature"), image.signed_digest)
        verify_chain(certificates, ca_folder, now=now)
        return slash_name(certificates[0].subject)
    except (ImageError, ValueError) as error:
        raise ImageError(f"signature: {error}") from error


def check_signer(signer: str, pattern: str) -> None:
    """Check that `signer` is one that the option cernvm_signing_dn allows.

    The expression may match anywhere in the name, as in Vcycle 3; `$` ties it to the end.

    Raises:
        ImageError: it is not.
    """
    if not re.search(pattern, signer):
        raise ImageError(
            f"signature: by {signer}, which cernvm_signing_dn {pattern!r} does not allow"
        )


def _last_block(image: Examined) -> bytes:
    if image.size_bytes <= 2 * SIGNATURE_BYTES:
        raise ImageError(f"{_NOT_SIGNED}it is too short")
    try:
        with image.path.open("rb") as stream:
            stream.seek(image.size_bytes - SIGNATURE_BYTES)
            return stream.read(SIGNATURE_BYTES)
    except OSError as error:
        raise ImageError(f"{image.path} cannot be read: {error.strerror}") from error


def _field(block: bytes, name: str) -> bytes:
    """Return a field of the block, decoded."""
    found = re.search(rb'"%b"\s*:\s*"([A-Za-z0-9+/=\s\\]*)"' % name.encode(), block)
    if not found:
        raise ImageError(f"{_NOT_SIGNED}there is no {name} at its end")
    text = re.sub(rb"\\[nr/]?|\s", lambda each: b"/" if each[0] == rb"\/" else b"", found[1])
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ImageError(f"{_NOT_SIGNED}the {name} at its end is damaged") from error


def _load(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ImageError(f"{_NOT_SIGNED}the certificate at its end is damaged") from error


def _verify(certificate: x509.Certificate, signature: bytes, digest: bytes) -> None:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ImageError("the key of its signer is not RSA")
    try:
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(SHA256()))
    except InvalidSignature as error:
        raise ImageError("the image was changed after it was signed") from error
