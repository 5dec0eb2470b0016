"""The roles in etc/azure permit what the space does, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.azure_kit import azure_bed, request
from tests.fakes.azure import Settings
from vcycled.spaces.base import Leftover

FOLDER = Path(__file__).parent.parent / "etc" / "azure"
GALLERY = f"{Settings().group_id}/providers/Microsoft.Compute/galleries/x/images/el9/versions/1.0"


def needed() -> dict[str, set[str]]:
    """Do all that the contract has, once and on every kind of image; return what that needs."""
    with azure_bed() as bed:
        space = bed.space()
        space.connect()
        space.limits()
        space.flavors()
        first = space.create(request("vcycle-prod-0000000001"))
        second = space.create(request("vcycle-prod-0000000002", image=f"image:{GALLERY}"))
        space.create(request("vcycle-prod-0000000003", image="image:a:b:c:latest:plan"))
        assert len(space.machines()) == 3
        assert space.find("vcycle-prod-0000000001", first)
        space.delete("vcycle-prod-0000000002", second)
        space.leftovers(())
        for kind in ("volume", "interface"):
            space.remove(Leftover(kind=kind, id="gone"))
        return dict(bed.cloud.needed)


@pytest.mark.parametrize(("name", "place"), [("machines", "group"), ("reader", "subscription")])
def test_a_role_is_what_was_needed_and_no_more(name: str, place: str) -> None:
    """At its place; what any call needs that is not there would be refused."""
    role = json.loads((FOLDER / f"role-{name}.json").read_text(encoding="utf-8"))
    assert role["Actions"] == sorted(needed()[place])
    assert (role["NotActions"], role["DataActions"], role["NotDataActions"]) == ([], [], [])
    assert role["AssignableScopes"] == ["/subscriptions/SUBSCRIPTION"]
