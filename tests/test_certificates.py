"""When the certificates in a file end."""

from __future__ import annotations

from pathlib import Path

from tests.builders import NOW
from tests.proxy_kit import DAY, authority, issue, robot, rsa_key
from vcycled.certificates import end_of


def test_a_chain_ends_with_the_first_of_its_certificates(tmp_path: Path) -> None:
    """Whichever that is; the order in the file does not matter."""
    above = authority(NOW)
    last = issue(robot(NOW), rsa_key(1), above)
    path = tmp_path / "cert.pem"
    for papers in ((last, above), (above, last)):
        path.write_bytes(b"".join(each.pem for each in papers))
        assert end_of(path) == NOW + 20 * DAY
    path.write_bytes(above.pem)
    assert end_of(path) == NOW + 30 * DAY


def test_what_cannot_be_read_has_no_end(tmp_path: Path) -> None:
    """No file, a folder, no PEM, a certificate that was cut short."""
    path = tmp_path / "cert.pem"
    assert end_of(path) is None
    assert end_of(tmp_path) is None
    path.write_bytes(b"nonsense")
    assert end_of(path) is None
    path.write_bytes(b"\n".join(authority(NOW).pem.splitlines()[:3]))
    assert end_of(path) is None
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n")
    assert end_of(path) is None
