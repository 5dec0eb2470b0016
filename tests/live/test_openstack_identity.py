"""Every way to log in that a plain Keystone offers, on a real one."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from openstack.exceptions import BadRequestException
from openstack.identity.v3.application_credential import ApplicationCredential

from tests.live import ON_OPENSTACK
from tests.live.conftest import MakeSpace
from tests.openstack_bed.accounts import identity
from tests.openstack_bed.places import PASSWORD, REGION, url
from tests.openstack_bed.processes import wait_until
from tests.openstack_bed.project import Project
from vcycled.errors import Refused, Unavailable
from vcycled.options import Secret
from vcycled.spaces.openstack import OpenStackSpace

pytestmark = ON_OPENSTACK

NOBODY = {"username": None, "password": None, "project_name": None}
"""Options that stand in the way of another way to log in."""
PATIENCE_S = 60.0


def works(space: OpenStackSpace) -> bool:
    """Return whether the space sees the cloud."""
    return {"vc.1", "vc.8"} <= {each.name for each in space.flavors()}


def credential(project: Project, name: str, *, ends: datetime | None = None) -> dict[str, object]:
    """Make an application credential and return the options to log in with it."""
    expires_at = ends.strftime("%Y-%m-%dT%H:%M:%S") if ends else None
    made: list[ApplicationCredential] = []

    def is_made() -> bool:
        """Ask for it; Keystone misses the user's roles while those of others are removed."""
        with suppress(BadRequestException):
            keystone = identity(project.cloud)
            made.append(
                keystone.create_application_credential(
                    project.user_id, name, expires_at=expires_at
                )
            )
        return bool(made)

    assert wait_until(is_made, PATIENCE_S), "Keystone makes no application credential"
    return {
        **NOBODY,
        "url": url("keystone"),
        "cred_id": made[0].id,
        "cred_secret": Secret(made[0].secret),
    }


@pytest.mark.parametrize("path", ["", "/", "/v3", "/v3/"])
def test_the_version_in_the_url_does_not_matter(
    project: Project, make_space: MakeSpace, path: str
) -> None:
    """With and without, with a slash or not: Keystone is asked what it speaks."""
    space = make_space(project, url=url("keystone", path))
    assert works(space)
    assert space.notices() == ()


def test_an_old_url_still_works_and_a_notice_says_so(
    project: Project, make_space: MakeSpace
) -> None:
    """As it stands in files of Vcycle 3; no Keystone of today answers at /v2.0."""
    space = make_space(project, url=url("keystone", "/v2.0"))
    assert works(space)
    (notice,) = space.notices()
    assert "v2.0" in notice
    assert url("keystone", "/v3") in notice


def test_domains_are_found_by_name_too(project: Project, make_space: MakeSpace) -> None:
    """`default` is the id, `Default` the name of one and the same."""
    space = make_space(project, user_domain_name="Default", project_domain_name="Default")
    assert works(space)


def test_a_project_can_be_given_by_its_id(project: Project, make_space: MakeSpace) -> None:
    """Ids are what the pages of a cloud show."""
    assert works(make_space(project, project_name=None, project_id=project.id))


def test_an_application_credential_without_end_gives_no_notice(
    project: Project, make_space: MakeSpace
) -> None:
    """It is the way that sites are told to use."""
    space = make_space(project, **credential(project, "endless"))
    assert works(space)
    assert space.notices() == ()


@pytest.mark.parametrize(("days", "is_told"), [(13.9, True), (14.1, False)])
def test_the_end_of_an_application_credential_is_told_two_weeks_ahead(
    project: Project, make_space: MakeSpace, days: float, is_told: bool
) -> None:
    """By its id and the day; Keystone lets a user see that of their own."""
    ends = datetime.now(UTC) + timedelta(days=days)  # noqa: TID251 - Keystone's
    options = credential(project, f"ends-{days}", ends=ends)
    notices = make_space(project, **options).notices()
    said = [each for each in notices if str(options["cred_id"]) in each]
    assert [f"{ends:%Y-%m-%d}" in each for each in said] == ([True] if is_told else [])


def test_a_wrong_secret_of_an_application_credential_is_refused(
    project: Project, make_space: MakeSpace
) -> None:
    """In words that do not repeat it."""
    options = credential(project, "mistyped") | {"cred_secret": Secret("open-sesame")}
    with pytest.raises(Refused, match="401") as caught:
        make_space(project, **options)
    assert "open-sesame" not in str(caught.value)


def test_a_wrong_password_is_refused_and_names_the_user(
    project: Project, make_space: MakeSpace
) -> None:
    """The password itself is not shown."""
    with pytest.raises(Refused, match=project.name) as caught:
        make_space(project, password=Secret("open-sesame"))
    assert "open-sesame" not in str(caught.value)


def test_a_project_of_others_is_refused(project: Project, make_space: MakeSpace) -> None:
    """There is one of this name, but not for this user."""
    with pytest.raises(Refused):
        make_space(project, project_name="vcycle")


@pytest.mark.parametrize("interface", ["public", "internal"])
def test_the_interface_chooses_the_endpoint(
    project: Project, make_space: MakeSpace, interface: str
) -> None:
    """The catalogue has both."""
    assert works(make_space(project, interface=interface, region=REGION))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"region": "Nowhere"}, REGION, id="region"),
        pytest.param({"interface": "admin"}, "public", id="interface"),
    ],
)
def test_what_the_catalogue_lacks_is_refused_and_what_it_has_is_named(
    project: Project, make_space: MakeSpace, options: dict[str, str], words: str
) -> None:
    """So that a person can choose."""
    with pytest.raises(Refused, match=words):
        make_space(project, **options).flavors()


def test_nobody_at_the_address_is_no_refusal(project: Project, make_space: MakeSpace) -> None:
    """The cloud may come back; nothing was made."""
    with pytest.raises(Unavailable) as caught:
        make_space(project, url="http://127.0.0.1:1/v3")
    assert caught.value.is_undone


def test_a_clouds_yaml_says_how_to_log_in(
    project: Project, make_space: MakeSpace, tmp_path: Path
) -> None:
    """With its password in a secure.yaml beside it, as the SDK has it."""
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        f"clouds:\n  here:\n    region_name: {REGION}\n    auth:\n"
        f"      auth_url: {url('keystone', '/v3')}\n"
        f"      username: {project.name}\n      project_name: {project.name}\n"
        "      user_domain_id: default\n      project_domain_id: default\n"
    )
    (tmp_path / "secure.yaml").write_text(
        f"clouds:\n  here:\n    auth:\n      password: {PASSWORD}\n"
    )
    space = make_space(project, **NOBODY, url=None, cloud="here", clouds_file=str(clouds))
    assert works(space)
