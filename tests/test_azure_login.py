"""Logging in to Azure: each way, what goes wrong with it, and how often it is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.azure_kit import AzureBed, azure_bed, options
from tests.fakes.azure import RESET, Fault, Settings, answer
from vcycled.errors import Refused, SpaceError, Unavailable
from vcycled.options import Secret
from vcycled.spaces.azure import AzureSpace

NO_SECRET = {"client_secret": None}


@pytest.fixture
def bed() -> Iterator[AzureBed]:
    """Serve a bed.cloud."""
    with azure_bed() as found:
        yield found


def refusal(space: AzureSpace) -> SpaceError:
    """Return what comes of connecting."""
    with pytest.raises(SpaceError) as caught:
        space.connect()
    return caught.value


def test_a_secret_lets_in_and_is_shown_once(bed: AzureBed) -> None:
    """The token is kept: a second connect calls nothing."""
    space = bed.space()
    space.connect()
    before = space.calls.total()
    space.connect()
    space.limits()
    assert bed.cloud.login.issued == ["secret"]
    assert space.calls.total() == before + 1


def test_a_certificate_lets_in(bed: AzureBed, tmp_path: Path) -> None:
    """A PEM file with its key."""
    # Entra ID takes RSA keys only, and so does the SDK.
    path = tmp_path / "app.pem"
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    issued = authority.issue_cert("vcycle.example.org", key_type=trustme.KeyType.RSA)
    issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    bed.space(**NO_SECRET, client_certificate=str(path)).limits()
    assert bed.cloud.login.issued == ["assertion"]


def test_a_token_of_another_provider_lets_in(bed: AzureBed, tmp_path: Path) -> None:
    """Workload identity: the file is what Kubernetes keeps fresh."""
    path = tmp_path / "token"
    path.write_text(Settings().federated_token)
    bed.space(**NO_SECRET, federated_token_file=str(path)).limits()
    assert bed.cloud.login.issued == ["assertion"]


def test_the_identity_of_the_host_lets_in(
    bed: AzureBed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the address that the host's environment tells; without, that of every Azure machine."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{bed.address.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", Settings().identity_header)
    bed.space(**NO_SECRET, tenant_id=None, client_id=None, managed_identity=True).limits()
    assert bed.cloud.login.issued == ["host"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_secret": Secret("wrong")}, "AADSTS7000215: Invalid client secret"),
        ({"tenant_id": "elsewhere.example.org"}, "AADSTS700016: Application was not found"),
        ({"tenant_id": "no tenant"}, "the login options cannot be used"),
        (
            {**NO_SECRET, "client_certificate": "/nowhere/app.pem"},
            "/nowhere/app.pem: No such file",
        ),
        ({**NO_SECRET, "federated_token_file": "/nowhere/token"}, "/nowhere/token: No such file"),
        ({"ca_file": None}, "the certificate of Azure is not trusted; see ca_file"),
    ],
)
def test_who_is_not_let_in_is_told_why(bed: AzureBed, changes: dict[str, Any], said: str) -> None:
    """A person must act; the secret is not in what is told."""
    error = refusal(bed.space(**changes))
    assert isinstance(error, Refused)
    assert error.operation == "connect"
    assert said in error.detail
    assert "wrong" not in error.detail


def test_a_file_that_is_no_certificate_is_told(bed: AzureBed, tmp_path: Path) -> None:
    """Not by a traceback."""
    path = tmp_path / "app.pem"
    path.write_text("nothing of the kind")
    error = refusal(bed.space(**NO_SECRET, client_certificate=str(path)))
    assert isinstance(error, Refused)
    assert "the login options cannot be used" in error.detail


def test_what_is_put_right_in_a_file_is_seen_by_the_next_connect(
    bed: AzureBed, tmp_path: Path
) -> None:
    """Without a restart."""
    path = tmp_path / "token"
    path.write_text("stale")
    space = bed.space(**NO_SECRET, federated_token_file=str(path))
    assert isinstance(refusal(space), Refused)
    path.write_text(Settings().federated_token)
    space.connect()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(RESET, id="it resets"),
        pytest.param(answer(503), id="it is down"),
        pytest.param(answer(429, "TooMany", "slowly"), id="it is busy"),
        pytest.param(Fault(status=200, body="<html>", headers={"Content-Type": "text/html"})),
    ],
)
@pytest.mark.parametrize("operation", ["discover", "login"])
def test_a_login_service_that_does_not_answer_is_asked_again_later(
    bed: AzureBed, fault: Fault, operation: str
) -> None:
    """One call was made, no secret was wrong, and the next cycle gets in."""
    space = bed.space()
    bed.cloud.fail_next(operation, fault)
    error = refusal(space)
    assert isinstance(error, Unavailable), error
    assert bed.cloud.calls[operation] == 1
    space.connect()


def test_a_pause_that_the_login_service_asks_for_is_kept(bed: AzureBed) -> None:
    """Nothing is sent before it is over."""
    space = bed.space()
    bed.cloud.fail_next("login", answer(429, "TooMany", "slowly", retry_after_s=30))
    error = refusal(space)
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == 30
    bed.clock.advance(29)
    before = space.calls.total()
    refusal(space)
    assert space.calls.total() == before
    bed.clock.advance(1)
    space.connect()


def test_a_token_that_was_revoked_is_replaced_by_the_next_cycle(bed: AzureBed) -> None:
    """The call that met it was turned away, so nothing is unknown."""
    space = bed.space()
    space.connect()
    bed.cloud.revoke_tokens()
    with pytest.raises(Unavailable) as caught:
        space.limits()
    assert caught.value.is_undone
    space.connect()
    space.limits()
    assert bed.cloud.login.issued == ["secret", "secret"]


def test_a_closed_space_logs_in_anew(bed: AzureBed) -> None:
    """And works on."""
    space = bed.space()
    space.connect()
    space.close()
    space.limits()
    assert bed.cloud.login.issued == ["secret", "secret"]


def test_the_sdk_writes_nothing_into_our_log(
    bed: AzureBed, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what works nor what fails: the manager tells that in one line."""
    caplog.set_level("INFO")
    refusal(bed.space(client_secret=Secret("wrong")))
    bed.cloud.fail_next("login", Fault(status=200, body="<html>"))
    space = bed.space()
    refusal(space)
    space.machines()
    assert caplog.records == []


def test_secrets_print_as_stars(bed: AzureBed) -> None:
    """In the repr of all options, too."""
    shown = repr(options(bed.address, client_certificate_password=Secret("hunter2")))
    assert "sesame" not in shown
    assert "hunter2" not in shown
