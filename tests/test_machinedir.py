"""The published tree: whole before anyone looks, untouched while nothing changes."""

import gc
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scarcity import few_files, small_files, too_deep
from vcycled import mjf
from vcycled.machinedir import (
    HeartbeatRow,
    MachineDir,
    NewMachine,
    Noted,
    hash_of,
    is_token,
    new_token,
)
from vcycled.testing.clock import START, FakeClock

SPACE = "cloud.example.com"
NAME = "vcycle-prod-0123456789"
FACTS = mjf.MachineFacts(
    uuid="6f8d2b54-0000-4000-8000-000000000001",
    processors=4,
    memory_mb=8192,
    max_wallclock_seconds=86_400,
    jobstart_at=START,
    grace_seconds=600,
)
NEW = NewMachine(
    space=SPACE,
    name=NAME,
    machinetype="prod",
    uuid=FACTS.uuid,
    created_at=START,
    manager="vac01.example.com",
    features=mjf.features(FACTS),
    zone="nova",
    https_x509dn="/DC=org/CN=robot",
    token_hash=hash_of("the token"),
    user_data=b"#!/bin/sh\nsecret\n",
)
HOUR = 3600


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()


@pytest.fixture
def tree(tmp_path: Path, clock: FakeClock) -> MachineDir:
    """A tree ready for its first machine."""
    tree = MachineDir(tmp_path, clock=clock)
    tree.make_ready()
    return tree


@pytest.fixture
def folder(tree: MachineDir) -> Path:
    """The folder of a prepared machine."""
    tree.prepare(NEW)
    return tree.layout.machine(SPACE, NAME)


@pytest.fixture
def strange_umask() -> Iterator[None]:
    """A umask that would hide everything from everybody."""
    old = os.umask(0o077)
    yield
    os.umask(old)


def contents(folder: Path) -> dict[str, str]:
    """All plain files under `folder`, by relative path."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def permissions(path: Path) -> int:
    """Permission bits, with setgid."""
    return stat.S_IMODE(path.lstat().st_mode)


def stamps(root: Path) -> dict[str, int]:
    """The change time of everything: any touch shows."""
    return {str(path): path.lstat().st_ctime_ns for path in root.rglob("*")}


def test_a_prepared_machine_has_its_whole_tree(folder: Path) -> None:
    """Every file of compat.md 5 that can be known before the machine starts, and no other."""
    features = {f"machinefeatures/{key}": value for key, value in NEW.features.machine.items()}
    features |= {f"jobfeatures/{key}": value for key, value in NEW.features.job.items()}
    assert contents(folder) == {
        **features,
        "created": str(START),
        "updated": str(START),
        "uuid": NEW.uuid,
        "machinetype_name": "prod",
        "space_name": SPACE,
        "manager": "vac01.example.com",
        "manager_heartbeat": str(START),
        "zone": "nova",
        "https_x509dn": "/DC=org/CN=robot",
        "token_hash": hash_of("the token"),
        "user_data": "#!/bin/sh\nsecret\n",
    }


@pytest.mark.usefixtures("strange_umask")
def test_everybody_reads_features_and_nobody_secrets(folder: Path) -> None:
    """Permissions are what they must be, whatever the umask."""
    assert permissions(folder / "user_data") == 0o600
    assert permissions(folder / "token_hash") == 0o640
    assert permissions(folder / "joboutputs") == 0o2770
    readable = ["created", "machinefeatures/total_cpu", "jobfeatures/job_id"]
    assert {permissions(folder / each) for each in readable} == {0o644}
    looked_into = [folder, folder / "machinefeatures", folder / "jobfeatures", folder.parent]
    assert {permissions(each) for each in looked_into} == {0o755}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to any group")
def test_the_group_of_the_tree_is_passed_on(tree: MachineDir) -> None:
    """One chgrp and chmod g+s on shared/spaces gives joboutputs to the web process's group."""
    os.chown(tree.layout.spaces, -1, 54_321)
    tree.layout.spaces.chmod(0o2755)
    tree.prepare(NEW)
    folder = tree.layout.machine(SPACE, NAME)
    assert {path.stat().st_gid for path in (folder, folder / "joboutputs", folder / "zone")} == {
        54_321
    }


def test_a_name_is_used_once(tree: MachineDir, folder: Path) -> None:
    """A second machine of the name is refused and the first keeps all it has."""
    (folder / "joboutputs" / "log").write_text("hours of work")
    before = contents(folder)
    with pytest.raises(FileExistsError):
        tree.prepare(replace(NEW, user_data=b"other"))
    assert contents(folder) == before


def test_the_rest_of_an_interrupted_draft_is_in_nobodys_way(tree: MachineDir) -> None:
    """A manager that died while writing leaves a draft; the next try replaces it."""
    draft = tree.layout.draft(SPACE, NAME)
    (draft / "machinefeatures").mkdir(parents=True)
    (draft / "created").write_text("half")
    tree.prepare(NEW)
    assert not draft.exists()
    assert (tree.layout.machine(SPACE, NAME) / "created").read_text() == str(START)


def test_a_disk_that_refuses_leaves_nothing_behind(tree: MachineDir) -> None:
    """Nothing is published if any file cannot be written, and it can be tried again."""
    big = replace(NEW, user_data=b"x" * 100_000)
    with small_files(50_000), pytest.raises(OSError, match="too large"):
        tree.prepare(big)
    assert not tree.layout.machine(SPACE, NAME).exists()
    assert not tree.layout.draft(SPACE, NAME).exists()
    tree.prepare(big)
    assert (tree.layout.machine(SPACE, NAME) / "user_data").stat().st_size == 100_000


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "a\0b", "x" * 256, "-x"])
def test_a_name_cannot_leave_the_tree(tree: MachineDir, name: str) -> None:
    """What is no plain name is refused before any path is made of it."""
    for bad in (replace(NEW, name=name), replace(NEW, space=name)):
        with pytest.raises(ValueError, match="cannot be the name"):
            tree.prepare(bad)


def test_repair_leaves_a_whole_tree_alone(tree: MachineDir, folder: Path) -> None:
    """Nothing is touched where nothing is missing."""
    before = stamps(folder)
    assert tree.repair(NEW) is False
    assert stamps(folder) == before


def test_repair_writes_what_is_missing_or_torn_and_no_more(tree: MachineDir, folder: Path) -> None:
    """Missing and empty files come back; what is there stays, even where it differs."""
    whole = contents(folder)
    (folder / "jobfeatures" / "job_id").unlink()
    (folder / "machinefeatures" / "total_cpu").write_text("")
    (folder / "machinefeatures" / "shutdowntime").write_text("7")
    (folder / "joboutputs").rmdir()
    assert tree.repair(NEW) is True
    assert contents(folder) == {**whole, "machinefeatures/shutdowntime": "7"}
    assert permissions(folder / "joboutputs") == 0o2770
    assert permissions(folder / "jobfeatures" / "job_id") == 0o644


def test_repair_makes_the_tree_of_an_adopted_machine(tree: MachineDir) -> None:
    """One that lost its folder gets one; its user_data and token are not known any more."""
    assert tree.repair(replace(NEW, user_data=b"", token_hash="")) is True
    folder = tree.layout.machine(SPACE, NAME)
    assert (folder / "jobfeatures" / "job_id").read_text() == NEW.uuid
    assert not (folder / "user_data").exists()
    assert not (folder / "token_hash").exists()


def test_repair_brings_back_a_machine_given_up_too_early(tree: MachineDir, folder: Path) -> None:
    """What it had written before is still there, and it does not count as retired."""
    (folder / "joboutputs" / "log").write_text("work")
    tree.retire(SPACE, NAME)
    tree.repair(replace(NEW, user_data=b""))
    assert (folder / "joboutputs" / "log").read_text() == "work"
    assert not (folder / "retired").exists()
    assert not (tree.layout.deleted(SPACE) / NAME).exists()


def test_only_what_was_learned_is_written(
    tree: MachineDir, folder: Path, clock: FakeClock
) -> None:
    """A fact without news keeps its file."""
    clock.advance(90)
    tree.note(SPACE, NAME, Noted(started_at=START + 80, address="192.0.2.7"))
    facts = {"started": str(START + 80), "ip": "192.0.2.7", "zone": "nova"}
    assert {name: (folder / name).read_text() for name in facts} == facts
    assert (folder / "updated").read_text() == str(START + 90)
    assert not (folder / "stopped").exists()
    tree.note(SPACE, NAME, Noted(stopped_at=START + 95, deleted_at=START + 96, zone="other"))
    facts = {"stopped": str(START + 95), "deleted": str(START + 96), "zone": "other"}
    assert {name: (folder / name).read_text() for name in facts} == facts


def test_facts_of_a_machine_without_folder_are_passed_over(tree: MachineDir) -> None:
    """Nothing is made for a machine that has gone."""
    tree.note(SPACE, NAME, Noted(started_at=START))
    tree.publish(SPACE, NAME, NEW.features)
    tree.wipe_user_data(SPACE, NAME)
    assert tree.leave_message(SPACE, NAME, "700 Failed to start") is False
    assert not tree.layout.current(SPACE).exists()


def test_published_features_follow_and_stay_readable(tree: MachineDir, folder: Path) -> None:
    """A new shutdown time reaches both folders, world-readable; other keys are not touched."""
    before = stamps(folder / "machinefeatures")
    tree.publish(SPACE, NAME, mjf.moving(replace(FACTS, shutdown_time=START + 600)))
    after = stamps(folder / "machinefeatures")
    moved = folder / "machinefeatures" / "shutdowntime"
    assert moved.read_text() == str(START + 600)
    assert (folder / "jobfeatures" / "shutdowntime_job").read_text() == str(START + 600)
    assert permissions(moved) == 0o644
    assert {path for path in after if after[path] != before[path]} == {str(moved)}


def test_publishing_the_same_features_touches_nothing(tree: MachineDir, folder: Path) -> None:
    """A machine that did not change costs no write."""
    before = stamps(folder)
    tree.publish(SPACE, NAME, NEW.features)
    assert stamps(folder) == before


def test_user_data_is_wiped_once(tree: MachineDir, folder: Path) -> None:
    """The secrets go when the machine has them, and asking again is no error."""
    tree.wipe_user_data(SPACE, NAME)
    tree.wipe_user_data(SPACE, NAME)
    assert not (folder / "user_data").exists()


def test_a_retired_machine_is_kept_without_its_secrets(tree: MachineDir, folder: Path) -> None:
    """Outputs move to deleted/, user_data does not; a second time finds nothing to do."""
    (folder / "joboutputs" / "log").write_text("work")
    assert tree.retire(SPACE, NAME) is True
    kept = tree.layout.deleted(SPACE) / NAME
    assert (kept / "joboutputs" / "log").read_text() == "work"
    assert not (kept / "user_data").exists()
    assert not folder.exists()
    assert tree.retire(SPACE, NAME) is False


def test_a_retirement_goes_on_where_the_last_manager_died(
    tree: MachineDir, folder: Path, clock: FakeClock
) -> None:
    """The time of retirement is that of the first attempt."""
    (folder / "retired").write_text(str(START))
    clock.advance(HOUR)
    tree.retire(SPACE, NAME)
    assert (tree.layout.deleted(SPACE) / NAME / "retired").read_text() == str(START)


def test_two_retired_machines_of_one_name_are_both_kept(tree: MachineDir) -> None:
    """The later ones get a number; none replaces another's outputs."""
    for text in ("first", "second", "third"):
        tree.prepare(NEW)
        (tree.layout.outputs(SPACE, NAME) / "log").write_text(text)
        tree.retire(SPACE, NAME)
    deleted = tree.layout.deleted(SPACE)
    kept = {each.name: (each / "joboutputs" / "log").read_text() for each in deleted.iterdir()}
    assert kept == {NAME: "first", f"{NAME}~2": "second", f"{NAME}~3": "third"}


def test_an_intent_that_never_got_a_tree_retires_with_its_draft(tree: MachineDir) -> None:
    """What a dead manager had begun to write goes with the intent."""
    draft = tree.layout.draft(SPACE, NAME)
    draft.mkdir(parents=True)
    assert tree.retire(SPACE, NAME) is False
    assert not draft.exists()


@pytest.mark.parametrize(
    ("age", "removed"),
    [
        pytest.param(HOUR - 1, 0, id="one second before its time it stays"),
        pytest.param(HOUR, 0, id="at its time it stays"),
        pytest.param(HOUR + 1, 1, id="one second after it goes"),
    ],
)
def test_a_retired_machine_stays_its_hours(
    tree: MachineDir, folder: Path, clock: FakeClock, age: int, removed: int
) -> None:
    """Retired machines are removed by when they were retired."""
    tree.retire(SPACE, NAME)
    clock.advance(age)
    assert tree.remove_retired(SPACE, before=clock.now() - HOUR) == removed
    assert (tree.layout.deleted(SPACE) / NAME).exists() is not bool(removed)


def test_folders_of_vcycle_3_age_by_their_time_stamp(tree: MachineDir) -> None:
    """A folder without a time of retirement, or with a damaged one, is as old as it looks."""
    deleted = tree.layout.deleted(SPACE)
    for name, damage, age in (("old", None, HOUR + 1), ("bad", "?", HOUR + 1), ("new", None, 1)):
        (deleted / name).mkdir(parents=True)
        if damage is not None:
            (deleted / name / "retired").write_text(damage)
        os.utime(deleted / name, (START - age, START - age))
    assert tree.remove_retired(SPACE, before=START - HOUR) == 2
    assert [each.name for each in deleted.iterdir()] == ["new"]


def test_old_drafts_are_swept_and_young_ones_left(tree: MachineDir) -> None:
    """Drafts of managers that died go with the retired machines, uncounted."""
    for name, age in (("old", HOUR + 1), ("young", HOUR)):
        draft = tree.layout.draft(SPACE, name)
        draft.mkdir(parents=True)
        os.utime(draft, (START - age, START - age))
    assert tree.remove_retired(SPACE, before=START - HOUR) == 0
    assert [each.name for each in tree.layout.drafts(SPACE).iterdir()] == ["young"]


def test_strange_things_in_deleted_are_left_alone(tree: MachineDir, tmp_path: Path) -> None:
    """Files and links are not ours; what a link leads to is never removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    deleted = tree.layout.deleted(SPACE)
    deleted.mkdir(parents=True)
    (deleted / "link").symlink_to(outside)
    (deleted / "file").write_text("")
    assert tree.remove_retired(SPACE, before=START + HOUR) == 0
    assert outside.exists()
    assert len(list(deleted.iterdir())) == 2


def test_one_folder_that_cannot_go_holds_up_no_other(tree: MachineDir) -> None:
    """The others are removed first, then the trouble is told."""
    deleted = tree.layout.deleted(SPACE)
    deep = Path(*["inner"] * 40)
    for name, inner in (("a", "x"), ("b", deep), ("c", "x")):
        (deleted / name / inner).mkdir(parents=True)
        (deleted / name / "retired").write_text("1")
    with few_files(20), pytest.raises(OSError, match="Too many open files"):
        tree.remove_retired(SPACE, before=START)
    assert [each.name for each in deleted.iterdir()] == ["b"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder_that_is_too_deep_to_be_removed_is_told(tree: MachineDir) -> None:
    """A machine of the local space may make such; the others go."""
    deleted = tree.layout.deleted(SPACE)
    for name in ("a", "b", "c"):
        (deleted / name).mkdir(parents=True)
        (deleted / name / "retired").write_text("1")
    with too_deep(deleted / "b"), pytest.raises(OSError, match=r"too deep; rm -rf: .*/b'"):
        tree.remove_retired(SPACE, before=START)
    gc.collect()  # Python leaves the folders open that it was in; nobody else is to meet that
    assert not any((deleted / name).exists() for name in ("a", "c"))


def test_a_full_disk_does_not_keep_a_machine_from_going(tree: MachineDir, folder: Path) -> None:
    """Without room for the time of retirement the folder's own time will do."""
    with small_files(0):
        assert tree.retire(SPACE, NAME) is True
    kept = tree.layout.deleted(SPACE) / NAME
    assert not (kept / "retired").exists()
    os.utime(kept, (START, START))
    assert tree.remove_retired(SPACE, before=START) == 0
    assert tree.remove_retired(SPACE, before=START + 1) == 1


def test_heartbeat_lists_are_newest_first(tree: MachineDir) -> None:
    """One line for each machine: time, name, address; equal times by name."""
    rows = [HeartbeatRow(5, "b", "192.0.2.2"), HeartbeatRow(9, "c", ""), HeartbeatRow(5, "a", "x")]
    tree.write_heartbeat_list(SPACE, "prod", rows)
    path = tree.layout.heartbeat_list(SPACE, "prod")
    assert path.read_text() == "9 c \n5 a x\n5 b 192.0.2.2\n"
    assert permissions(path) == 0o644
    tree.write_heartbeat_list(SPACE, "prod", [])
    assert path.read_text() == ""


def test_an_unchanged_heartbeat_list_is_not_rewritten(tree: MachineDir) -> None:
    """The order in which machines are given changes nothing either."""
    rows = [HeartbeatRow(5, "b", "y"), HeartbeatRow(6, "a", "x")]
    tree.write_heartbeat_list(SPACE, "prod", rows)
    path = tree.layout.heartbeat_list(SPACE, "prod")
    before = path.stat()
    tree.write_heartbeat_list(SPACE, "prod", reversed(rows))
    assert (path.stat().st_ino, path.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_the_last_abort_is_published_where_vcycle_3_had_it(
    tree: MachineDir, tmp_path: Path
) -> None:
    """shared/last_abort_times/SPACE/MACHINETYPE, rewritten only when it moves."""
    tree.write_last_abort(SPACE, "prod", START)
    path = tmp_path / "shared" / "last_abort_times" / SPACE / "prod"
    assert path.read_text() == str(START)
    before = path.stat().st_ctime_ns
    tree.write_last_abort(SPACE, "prod", START)
    assert path.stat().st_ctime_ns == before
    tree.write_last_abort(SPACE, "prod", START + 1)
    assert path.read_text() == str(START + 1)


def test_making_ready_twice_changes_nothing(tree: MachineDir, tmp_path: Path) -> None:
    """Every start of the manager does it."""
    before = stamps(tmp_path)
    tree.make_ready()
    assert stamps(tmp_path) == before
    assert permissions(tree.layout.web_up) == 0o2770


def test_files_of_a_machinetype_stand_where_vcycle_3_had_them(
    tree: MachineDir, tmp_path: Path
) -> None:
    """Templates need not move."""
    files = tmp_path / "spaces" / SPACE / "machinetypes" / "prod" / "files"
    assert tree.layout.files(SPACE, "prod") == files


def test_only_the_token_itself_matches_its_hash() -> None:
    """Another token, the hash, an empty one and a machine without token all fail."""
    token = new_token()
    assert is_token(token, hash_of(token))
    assert not is_token(new_token(), hash_of(token))
    assert not is_token(hash_of(token), hash_of(token))
    assert not is_token("", "")
    assert not is_token("\udcff", hash_of(token))


def test_tokens_are_long_and_fit_everywhere() -> None:
    """They stand in URLs and shell scripts without quoting."""
    token = new_token()
    assert len(token) >= 43
    assert token.replace("-", "").replace("_", "").isalnum()
