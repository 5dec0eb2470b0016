"""Images that must be signed, on their way into a cloud."""

from __future__ import annotations

from dataclasses import replace

from tests import image_kit
from tests.image_kit import Site, hold_of
from tests.test_images_signature import LEAF, ROOT, SIGNER, Scene
from tests.world import SPACE
from vcycled.config import MachinetypeConfig, ManagerOptions

site = image_kit.site


def signing(site: Site, *kinds: MachinetypeConfig, is_trusted: bool = True) -> Scene:
    """Let the image of a site be a signed one, and its manager know the authority."""
    scene = Scene(folder=site.folder, certificates=(LEAF,))
    scene.cas.mkdir()
    if is_trusted:
        scene.trust(ROOT)
    site.write(scene.with_block(scene.block()))
    site.world.config = replace(site.world.config, machinetypes=kinds)
    for each in kinds:
        folder = site.world.tree.layout.files(SPACE, each.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "template").write_text("#!/bin/sh\n")
    options = ManagerOptions(root=site.world.root, ca_folder=scene.cas)
    site.world.manager = site.world.new_cycle(manager=options)
    return scene


PATTERN = r"/CN=cvm-sign01\.example\.org$"


def test_a_signed_image_is_used_and_its_signer_is_tagged(site: Site) -> None:
    """So that after a restart it is known who signed what is in the cloud."""
    signing(site, site.kind(cernvm_signing_dn=PATTERN))
    assert site.cycle(2).report.creates == 10
    (image,) = site.images.kept.values()
    assert image.tags["vcycle_signer"] == SIGNER


def test_another_signer_holds_the_machinetype_and_uploads_nothing(site: Site) -> None:
    """The reason names both."""
    signing(site, site.kind(cernvm_signing_dn="/CN=somebody"))
    outcome = site.cycle(2)
    assert f"signature: by {SIGNER}, which cernvm_signing_dn" in hold_of(outcome).detail
    assert site.images.uploads == 0


def test_an_unsigned_image_is_held_until_a_signed_one_is_there(site: Site) -> None:
    """And one that was uploaded without a look at its signature is not used instead."""
    site.cycle(2)
    assert len(site.ready) == 1
    site.world.set(processors_limit=12)
    options = ManagerOptions(root=site.world.root, ca_folder=site.folder / "certificates")
    site.world.manager = site.world.new_cycle(manager=options)
    site.world.set_kind(cernvm_signing_dn=PATTERN)
    outcome = site.later(count=2)
    said = "image: {0}: signature: it is not signed as CernVM images are: it is too short"
    assert hold_of(outcome).detail.startswith(said.format(site.path))
    signing(site, *site.world.config.machinetypes)
    site.later(count=3)
    assert len(site.world.here) == 12
    assert site.used == [f"image:{each}" for each in site.ready]


def test_one_machinetype_may_trust_an_image_that_another_does_not(site: Site) -> None:
    """It is uploaded for the one, and the other is told why not."""
    signing(
        site,
        site.kind("easy"),
        site.kind("strict", cernvm_signing_dn=PATTERN),
        site.kind("picky", cernvm_signing_dn="/CN=somebody"),
        is_trusted=False,
    )
    outcome = site.cycle(2)
    assert outcome.report.creates
    assert site.images.uploads == 1
    for name in ("strict", "picky"):
        detail = hold_of(outcome, name).detail
        assert detail.startswith("image: signature: there are no certificates of authorities in")
    assert "image" not in hold_of(outcome, "easy").detail


def test_a_machinetype_that_begins_to_care_is_served_without_a_new_upload(site: Site) -> None:
    """What is in the cloud is the very file whose signature is looked at now."""
    signing(site, site.kind())
    site.cycle(2)
    assert "vcycle_signer" not in next(iter(site.images.kept.values())).tags
    site.world.set_kind(cernvm_signing_dn=PATTERN)
    site.world.set(processors_limit=12)
    site.later(count=2)
    assert len(site.world.here) == 12
    assert site.images.uploads == 1
