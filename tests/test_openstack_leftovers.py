"""Key pairs, volumes: made once, told apart from others', swept when nothing uses them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests import openstack_tap
from tests.fakes.openstack import Fault, Settings, answer
from tests.openstack_tap import POST, SERVERS, Asked, Json, Tap, request, tapped
from vcycled.errors import QuotaExceeded, Refused, Unavailable
from vcycled.spaces.base import Leftover, owner_mark
from vcycled.spaces.keypairs import key_hash
from vcycled.spaces.openstack.volumes import MOST_TAGGED

KEYS = "GET /os-keypairs"
MAKE = "POST /os-keypairs"
VOLUMES = "GET /volumes/detail"
MARK = owner_mark("ours")
tap = openstack_tap.ready


def openssh(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> str:
    """Return the public half as a line without comment."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


ED25519 = openssh(ed25519.Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
OTHER = openssh(ed25519.Ed25519PrivateKey.from_private_bytes(b"\2" * 32))


def ours(public_key: str = ED25519) -> str:
    """Return the name of a key pair of ours."""
    return f"vcycle-{MARK}-{key_hash(public_key)}"


# Keys


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa", "ecdsa 256", "ecdsa 521", "ed25519"],
)
def test_a_key_of_any_type_has_a_name_of_its_own(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    """Vcycle 3 hung for ever on any but RSA. The comment is not part of the key."""
    line = openssh(key)
    assert len(key_hash(line)) == 16
    assert key_hash(f"  {line}   root@host with blanks\n") == key_hash(line)
    assert key_hash(line) != key_hash(ED25519)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-rsa",
        "ssh-rsa !!!!",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        "-----BEGIN PUBLIC KEY-----",
        ED25519.replace("ssh-ed25519", "ssh-rsa"),
        ED25519.split()[1],
    ],
)
def test_what_is_no_public_key_is_refused_before_the_call(tap: Tap, text: str) -> None:
    """A private key above all."""
    with pytest.raises(ValueError, match="not "):
        key_hash(text)
    if text:
        with pytest.raises(Refused, match="root_public_key is no OpenSSH public key"):
            tap.space.create(request(public_key=text))
    assert tap.since() == []


def test_a_key_pair_is_made_once(tap: Tap) -> None:
    """Not for each machine, and under a name that tells whose it is."""
    tap.space.create(request("vcycle-prod-0000000000", public_key=f"{ED25519} root@host"))
    made = tap.last(MAKE).json["keypair"]
    assert made == {"name": ours(), "public_key": f"{ED25519} root@host"}
    tap.space.create(request("vcycle-prod-0000000001", public_key=ED25519))
    assert tap.last(POST).json["server"]["key_name"] == ours()
    assert tap.since() == [f"{KEYS}/{ours()}", MAKE, POST, POST]


def test_a_key_pair_that_is_there_is_used(tap: Tap) -> None:
    """Made by the manager before this one."""
    tap.space.create(request("vcycle-prod-0000000000", public_key=ED25519))
    tap.restart()
    tap.space.flavors()
    tap.since()
    tap.space.create(request("vcycle-prod-0000000001", public_key=ED25519))
    assert MAKE not in tap.since()


def test_machines_made_side_by_side_make_their_key_pair_once(tap: Tap) -> None:
    """Ten threads that all find nothing kept must not ask ten times."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        names = set(pool.map(lambda _: tap.space._keys.name_for(ED25519, "ours"), range(16)))
    assert names == {ours()}
    assert tap.since() == [f"{KEYS}/{ours()}", MAKE]


def test_another_manager_may_be_faster(tap: Tap) -> None:
    """What it made has the same name because it is the same key."""
    tap.cloud.fail_next("make_keypair", answer(409, f"Key pair '{ours()}' already exists."))
    tap.space._keys.name_for(ED25519, "ours")
    assert tap.since() == [f"{KEYS}/{ours()}", MAKE]


def test_a_key_pair_that_vanished_is_made_again(tap: Tap) -> None:
    """Nova says so before it makes anything, so the machine is asked for once more."""
    tap.space.create(request("vcycle-prod-0000000000", public_key=ED25519))
    tap.cloud.nova.keys.by_name.clear()
    tap.since()
    tap.space.create(request("vcycle-prod-0000000001", public_key=ED25519))
    assert tap.since() == [POST, f"{KEYS}/{ours()}", MAKE, POST]
    assert list(tap.cloud.nova.keys.by_name) == [ours()]


def test_a_full_quota_of_key_pairs_is_a_quota(tap: Tap) -> None:
    """And the key pair is asked for again with the next machine."""
    tap.cloud.set_quota(key_pairs=0)
    with pytest.raises(QuotaExceeded):
        tap.space.create(request(public_key=ED25519))
    tap.cloud.set_quota(key_pairs=1)
    assert tap.space.create(request(public_key=ED25519))


def test_key_pairs_that_nothing_uses_are_left_over(tap: Tap) -> None:
    """Not one of a key in use or of a machine that is there, and never somebody else's."""
    for number, key in enumerate((ED25519, OTHER)):
        tap.space.create(request(f"vcycle-prod-000000000{number}", public_key=key))
    for name in ("mine", "vcycle-0123456789abcdef", f"x{ours()}"):
        tap.cloud.nova.keys.by_name[name] = {**tap.cloud.nova.keys.by_name[ours()], "name": name}
    assert list(tap.space.leftovers([])) == []  # nothing is known before a listing
    tap.space.machines()
    assert list(tap.space.leftovers([])) == []
    for number in range(2):
        tap.cloud.vanish(f"vcycle-prod-000000000{number}")
    tap.space.machines()
    (left,) = tap.space.leftovers([f"{OTHER} another comment", "no key at all"])
    assert left == Leftover(kind="keypair", id=ours(), name=ours(), owner_mark=MARK)
    tap.space.remove(left)
    tap.space.remove(left)
    assert ours() not in tap.cloud.nova.keys.by_name
    assert list(tap.space.leftovers([OTHER])) == []


def test_a_key_pair_that_was_swept_is_made_again(tap: Tap) -> None:
    """A machinetype may come back with it."""
    tap.space.create(request("vcycle-prod-0000000000", public_key=ED25519))
    tap.space.remove(Leftover(kind="keypair", id=ours(), name=ours(), owner_mark=MARK))
    tap.since()
    tap.space.create(request("vcycle-prod-0000000001", public_key=ED25519))
    assert tap.since() == [f"{KEYS}/{ours()}", MAKE, POST]


def test_key_pairs_come_in_pages() -> None:
    """As all that a cloud lists."""
    with tapped(Settings(max_limit=2)) as tap:
        keys = [openssh(ed25519.Ed25519PrivateKey.generate()) for _ in range(5)]
        for key in keys:
            tap.space._keys.name_for(key, "ours")
        tap.space.machines()
        assert {each.id for each in tap.space.leftovers([])} == {ours(key) for key in keys}


# Volumes


def with_volume(tap: Tap, name: str = "vcycle-prod-0123456789") -> str:
    """Create a machine on a volume and let it run; return the volume's id."""
    tap.space.create(request(name, volume_gb=20))
    tap.cloud.run(name)
    return next(reversed(tap.cloud.cinder.by_id))


def leave_behind(tap: Tap, volume_id: str, name: str = "vcycle-prod-0123456789") -> None:
    """Let a machine go without its volume, as a cloud does that forgets it."""
    volume = tap.cloud.cinder.by_id[volume_id]
    volume.goes_with_server = False
    tap.cloud.vanish(name)
    volume.status, volume.server_id = "available", ""


def left(tap: Tap) -> list[str]:
    """List the machines, and return the ids of what is left over."""
    tap.space.machines()
    return [each.id for each in tap.space.leftovers([])]


def test_the_volume_of_a_machine_is_tagged_once(tap: Tap) -> None:
    """Nova gives it no name; without tags nobody could tell later whose it was."""
    volume_id = with_volume(tap)
    assert left(tap) == []
    assert tap.cloud.cinder.by_id[volume_id].metadata == {
        "vcycle_installation": "ours",
        "vcycle_machine": "vcycle-prod-0123456789",
    }
    tap.since()
    assert left(tap) == []
    assert tap.since() == [SERVERS, VOLUMES, KEYS]


@pytest.mark.parametrize("status", ["available", "error"])
def test_a_volume_that_outlives_its_machine_is_left_over(tap: Tap, status: str) -> None:
    """With its tags, by which the manager knows whether it is its own."""
    volume_id = with_volume(tap)
    left(tap)
    leave_behind(tap, volume_id)
    tap.cloud.cinder.by_id[volume_id].status = status
    tap.space.machines()
    (found,) = tap.space.leftovers([])
    assert (found.kind, found.id, found.tags["vcycle_installation"]) == (
        "volume",
        volume_id,
        "ours",
    )
    tap.space.remove(found)
    tap.space.remove(found)
    assert tap.cloud.cinder.by_id == {}


def test_a_volume_is_not_left_over_while_anything_holds_it(tap: Tap) -> None:
    """A machine of its name, an attachment, or work on it."""
    volume_id = with_volume(tap)
    left(tap)
    volume = tap.cloud.cinder.by_id[volume_id]
    volume.status = "available"
    assert left(tap) == []
    leave_behind(tap, volume_id)
    for status in ("in-use", "deleting", "creating", "backing-up"):
        volume.status = status
        assert left(tap) == []
    volume.status = "available"
    volume.server_id = "somebody"
    assert left(tap) == []
    volume.server_id = ""
    assert left(tap) == [volume_id]


def test_volumes_of_others_are_nobody_s_leftovers(tap: Tap) -> None:
    """Vcycle 3 had a function that deleted every volume of the project."""
    with_volume(tap)
    tap.cloud.cinder.truth[0].metadata = {"owner": "somebody"}
    leave_behind(tap, tap.cloud.cinder.truth[0].id)
    assert left(tap) == []


def test_a_volume_that_somebody_attached_is_not_ours(tap: Tap) -> None:
    """It stays when the machine goes, and Nova says so."""
    volume_id = with_volume(tap)

    def by_hand(_: Asked, said: Json) -> Json:
        for each in said.get("servers", ()):
            for volume in each["os-extended-volumes:volumes_attached"]:
                volume["delete_on_termination"] = False
        return said

    tap.falsify = by_hand
    assert left(tap) == []
    assert tap.cloud.cinder.by_id[volume_id].metadata == {}


def test_a_server_that_does_not_tell_its_volumes_has_none(tap: Tap) -> None:
    """As one of a cell that does not answer."""
    volume_id = with_volume(tap)

    def silent(_: Asked, said: Json) -> Json:
        for each in said.get("servers", ()):
            del each["os-extended-volumes:volumes_attached"]
        return said

    tap.falsify = silent
    assert left(tap) == []
    assert tap.cloud.cinder.by_id[volume_id].metadata == {}


def test_many_volumes_are_tagged_little_by_little(tap: Tap) -> None:
    """A sweep must not cost thousands of calls at once."""
    for number in range(MOST_TAGGED + 1):
        with_volume(tap, f"vcycle-prod-{number:010}")
    left(tap)
    tagged = [bool(each.metadata) for each in tap.cloud.cinder.by_id.values()]
    assert tagged.count(True) == MOST_TAGGED
    left(tap)
    assert all(each.metadata for each in tap.cloud.cinder.by_id.values())


@pytest.mark.parametrize("fault", [answer(404, "Volume could not be found."), answer(409, "busy")])
def test_a_volume_that_goes_meanwhile_is_no_error(tap: Tap, fault: Fault) -> None:
    """Its machine was just deleted."""
    with_volume(tap)
    tap.cloud.fail_next("tag_volume", fault)
    assert left(tap) == []


def test_a_cinder_that_does_not_answer_is_said(tap: Tap) -> None:
    """Nothing is concluded; the next sweep asks again."""
    tap.space.machines()
    tap.cloud.fail_next("volumes", answer(503, "down"))
    with pytest.raises(Unavailable):
        tap.space.leftovers([])


def test_a_cloud_without_cinder_has_no_volumes() -> None:
    """It is not asked for any."""
    with tapped(Settings(services=frozenset({"image"}))) as tap:
        assert left(tap) == []
        assert tap.since() == [SERVERS, KEYS]
