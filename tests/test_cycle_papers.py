"""What the machines of a cycle are given to prove who they are, and whom to trust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.proxy_kit import DAY, Paper, authority, issue, key_text, put, robot, rsa_key
from tests.world import SPACE, World, kind
from vcycled.model import Cause
from vcycled.proxy import Credentials, Mint
from vcycled.testing.clock import START

CA = authority(START)
LIFE = 3600 + 10_000
"""Of a machine of `kind`: what it may take to start, and max_wallclock_seconds."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager whose machines want a proxy, with nothing to make one from."""
    made = World(tmp_path, kind(user_data_proxy=True), processors_limit=2)
    template(made, "##user_data_option_x509_proxy##")
    yield made
    made.close()


def template(world: World, text: str, name: str = "prod") -> None:
    """Write a machinetype's template."""
    (world.tree.layout.files(SPACE, name) / "template").write_text(text)


def papers(world: World, ends_at: int = START + 20 * DAY, name: str = "prod") -> Paper:
    """Put a robot's certificate into the folder of the machinetype."""
    paper = issue(replace(robot(START), ends_at=ends_at), rsa_key(1), CA)
    put(world.tree.layout.machinetype(SPACE, name), paper, CA)
    return paper


def given(world: World) -> list[bytes]:
    """Return the user_data of every machine."""
    return [truth.request.user_data for truth in world.here if truth.request is not None]


def held(world: World) -> dict[str, str]:
    """Run a cycle and return which machinetypes are held, and why."""
    holds = world.cycle().report.holds
    return {hold.machinetype: hold.detail for hold in holds if hold.cause is Cause.HELD}


def test_each_machine_gets_a_proxy_that_lasts_as_long_as_it_may(world: World) -> None:
    """Made by the site's certificate; until it is deleted, even if it takes an hour to start."""
    papers(world)
    world.cycle()
    first, second = given(world)
    assert first != second
    for text in (first, second):
        made, issuer, top = x509.load_pem_x509_certificates(text)
        assert [issuer.subject, top.subject] == [made.issuer, CA.certificate.subject]
        assert made.not_valid_after_utc == datetime.fromtimestamp(START + LIFE, UTC)
        assert Credentials.read(text, text).key.public_key() == made.public_key()


def test_a_proxy_need_not_outlive_its_space(world: World) -> None:
    """shutdown_time ends all machines, so a certificate that ends then will do."""
    papers(world, START + 5000)
    world.set(shutdown_time=START + 5000)
    world.cycle()
    made = x509.load_pem_x509_certificate(given(world)[0])
    assert made.not_valid_after_utc == datetime.fromtimestamp(START + 5000, UTC)


def test_a_certificate_that_ends_too_early_holds_its_machinetype(world: World) -> None:
    """Both dates are told; one second more would have been enough, and a new one is."""
    papers(world, START + LIFE - 1)
    why = held(world)["prod"]
    folder = world.tree.layout.machinetype(SPACE, "prod")
    assert why.startswith(f"user_data_proxy: {folder}: x509cert.pem: /DC=org/DC=example/CN=robot")
    dates = [datetime.fromtimestamp(START + LIFE - each, UTC) for each in (1, 0)]
    assert all(f"{date:%Y-%m-%d %H:%M} UTC" in why for date in dates)
    assert given(world) == []
    papers(world, START + LIFE)
    assert held(world) == {}
    assert len(given(world)) == 2


def test_when_the_first_certificate_ends_is_reported(world: World) -> None:
    """So that monitoring can tell weeks before it holds the machinetype."""
    assert world.cycle().report.credential_ends == {}
    papers(world, START + LIFE + 7)
    assert world.cycle().report.credential_ends == {"x509cert.pem of prod": START + LIFE + 7}


def test_a_missing_certificate_holds_its_machinetype_alone(tmp_path: Path) -> None:
    """The other machinetype fills the space meanwhile."""
    world = World(tmp_path, kind(user_data_proxy=True), kind("other"), processors_limit=2)
    folder = world.tree.layout.machinetype(SPACE, "prod")
    assert held(world) == {
        "prod": f"user_data_proxy: {folder}/x509cert.pem cannot be read: No such file or directory"
    }
    assert {each.machinetype for each in world.here} == {"other"}
    world.close()


def test_a_key_of_another_certificate_holds_its_machinetype(world: World) -> None:
    """As does anything else that Credentials refuses."""
    papers(world)
    folder = world.tree.layout.machinetype(SPACE, "prod")
    (folder / "x509key.pem").write_bytes(key_text(rsa_key(2)))
    assert held(world) == {
        "prod": f"user_data_proxy: {folder}: x509key.pem is not the key of x509cert.pem"
    }


class LateMint(Mint):
    """One that works only after the certificate has ended."""

    def proxy(self, credentials: Credentials, **options: Any) -> bytes:  # noqa: ANN401 - as Mint's
        """Refuse as the real one does."""
        return super().proxy(credentials, **{**options, "until": START + 21 * DAY})


def test_a_proxy_that_fails_at_the_last_moment_is_a_failed_creation(world: World) -> None:
    """The certificate can end, or be replaced, between the look and the creation."""
    papers(world)
    world.manager = world.new_cycle(mint=LateMint())
    assert held(world) == {}
    assert given(world) == []
    (memory,) = world.store.records(SPACE).machinetypes
    assert memory.creation_error.startswith("user_data_proxy: ")
    assert "/CN=robot expires on" in memory.creation_error


def test_no_secret_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a key nor a token file, at any level, whether all goes well or not."""
    papers(world)
    token = world.tree.layout.files(SPACE, "prod") / "token"
    token.write_text("eyJhbGciOiJSUzI1NiJ9.hush")
    template(world, "##user_data_option_token####user_data_option_x509_proxy####user_data_x##")
    (one,) = world.config.machinetypes
    with caplog.at_level("DEBUG"):
        for gone in ({"gone": str(token.with_name("gone"))}, {}):
            wanted = replace(one, user_data_files={"token": str(token), **gone})
            world.config = replace(world.config, machinetypes=(wanted,))
            world.clock.advance(600)
            world.cycle()
    assert given(world)[0].startswith(b"eyJhbGciOiJSUzI1NiJ9.hush-----BEGIN CERTIFICATE-----")
    assert "creation-failed" in caplog.text
    assert "user-data-unknown" in caplog.text
    assert "hush" not in caplog.text
    assert "BEGIN" not in caplog.text


def test_a_token_file_is_read_again_for_every_machine(tmp_path: Path) -> None:
    """So tokens that the site keeps fresh reach each machine fresh (WLCG, IAM)."""
    token = tmp_path / "token"
    token.write_text("first")
    wanted = replace(kind(), user_data_files={"token": str(token)})
    world = World(tmp_path / "root", wanted, processors_limit=1)
    template(world, "##user_data_option_token##")
    world.cycle()
    token.write_text("second")
    world.set(processors_limit=2)
    world.cycles(2)
    assert sorted(given(world)) == [b"first", b"second"]
    world.close()


# https_ca_certificates


def test_machines_are_told_whom_to_trust(world: World) -> None:
    """The certificates of the file as it is now; what else it holds stays here."""
    papers(world)
    path = world.root / "ca.pem"
    path.write_bytes(b"a comment\n" + CA.pem + key_text(rsa_key(0)))
    world.set(https_ca_certificates=path)
    template(world, "##user_data_ca_certificates##")
    world.cycle()
    assert given(world) == [CA.pem, CA.pem]
    other = issue(replace(robot(START), is_authority=True), rsa_key(2))
    path.write_bytes(CA.pem + other.pem)
    world.set(processors_limit=3)
    world.cycle()
    assert CA.pem + other.pem in given(world)


def test_without_the_option_machines_are_told_nothing(world: World) -> None:
    """The pattern is known and empty: their image trusts us already."""
    papers(world)
    template(world, "<##user_data_ca_certificates##>")
    world.cycle()
    assert given(world) == [b"<>", b"<>"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read: No such file or directory"), (b"x", "holds no PEM certificate")],
    ids=["missing", "not PEM"],
)
def test_without_authorities_no_machine_could_reach_us(
    world: World, content: bytes | None, why: str
) -> None:
    """Every machinetype is held, as all would be made in vain."""
    papers(world)
    path = world.root / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    world.set(https_ca_certificates=path)
    said = held(world)["prod"]
    assert said.startswith(f"https_ca_certificates: {path} ")
    assert why in said
