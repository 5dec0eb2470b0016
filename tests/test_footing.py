"""A manager whose files were deleted or replaced under it is none any more, and knows it."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.test_supervisor import A, Site
from vcycled.clock import SystemClock
from vcycled.daemon import process
from vcycled.daemon.footing import Footing
from vcycled.errors import OperatorError, StoreError
from vcycled.store import Presence, Store

LOCK = "vcycled.lock"
DATABASE = "vcycle.db"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with the files of a manager."""
    folder = tmp_path / "root"
    _fill(folder)
    return folder


@pytest.fixture
def footing(root: Path) -> Iterator[Footing]:
    """Return what a manager stands on, which has it open."""
    with (root / LOCK).open(), (root / DATABASE).open():
        yield Footing.on(root / LOCK, root / DATABASE)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site whose supervisor ends with the test."""
    made = Site(tmp_path)
    made.write(made.space(A))
    yield made
    made.stop()


def _fill(folder: Path) -> None:
    folder.mkdir()
    (folder / LOCK).touch()
    (folder / DATABASE).touch()


def _replace(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    _fill(folder)


def _put_file_for_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def _loop(path: Path) -> None:
    """Let a look at `path` fail as one at a sick file system does; at no instant is it gone."""
    path.with_name(f"{path.name}.away").hardlink_to(path)
    loop = path.with_name(f"{path.name}.loop")
    loop.symlink_to(path)
    loop.replace(path)


def _unloop(path: Path) -> None:
    path.with_name(f"{path.name}.away").replace(path)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        pytest.param(lambda _root: None, "", id="nothing happened"),
        pytest.param(lambda root: (root / DATABASE).write_text("more"), "", id="it was written"),
        pytest.param(lambda root: root.chmod(0o700), "", id="its folder has another mode"),
        pytest.param(shutil.rmtree, LOCK, id="the folder was deleted"),
        pytest.param(_replace, LOCK, id="another folder is in its place"),
        pytest.param(_put_file_for_folder, LOCK, id="a file is in the folder's place"),
        pytest.param(lambda root: (root / LOCK).unlink(), LOCK, id="the lock was deleted"),
        pytest.param(
            lambda root: (root / DATABASE).unlink(), DATABASE, id="the database was deleted"
        ),
        pytest.param(
            lambda root: shutil.copy(root / DATABASE, root / "x").replace(root / DATABASE),
            DATABASE,
            id="a copy is in the database's place",
        ),
    ],
)
def test_files_that_are_not_at_their_paths_are_noticed(
    root: Path, footing: Footing, change: Callable[[Path], object], lost: str
) -> None:
    """Whatever the way; the first path is told where ours is not."""
    change(root)
    assert footing.lost() == (root / lost if lost else None)
    assert footing.is_firm() is not bool(lost)


def test_a_file_system_that_gives_errors_says_nothing(root: Path, footing: Footing) -> None:
    """That may pass; meanwhile nothing is sure."""
    _loop(root / DATABASE)
    with pytest.raises(StoreError, match=r"vcycle\.db: Too many levels"):
        footing.lost()
    assert not footing.is_firm()
    _unloop(root / DATABASE)
    assert footing.is_firm()


def test_nothing_stands_on_files_that_are_not_there(tmp_path: Path) -> None:
    """A root that goes away while the manager starts ends the start."""
    with pytest.raises(OperatorError, match=r"vcycled\.lock: No such file"):
        Footing.on(process.lock_path(tmp_path))


def test_a_store_names_the_files_that_its_manager_holds(tmp_path: Path) -> None:
    """The database and the lock beside it, which are there once it has enrolled."""
    path = tmp_path / DATABASE
    with closing(Store.open(f"sqlite:///{path}", clock=SystemClock())) as store:
        store.leases.enrol(
            Presence(name="m", run="1", host="m", root="/", pid=1, version="4", beat_seconds=10)
        )
        assert store.files == (path, tmp_path / "vcycle.db.lock")
        assert Footing.on(*store.files).is_firm()


def test_a_manager_that_lost_its_files_ends(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever started it is told; the log names the path; the machines go on."""
    raised: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_value))
    site.start(footing=(LOCK,))
    site.until(lambda: len(site.clouds[A].here) == 2)
    path = site.folder / "root" / LOCK
    path.unlink()
    site.until(lambda: site.thread is not None and not site.thread.is_alive())
    assert [type(each) for each in raised] == [OperatorError]
    assert str(raised[0]) == f"{path} was deleted or replaced while vcycled ran"
    assert f"files-replaced path={path}" in caplog.text
    assert len(site.clouds[A].here) == 2


def test_while_the_file_system_gives_errors_nothing_is_created_or_deleted(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The manager goes on looking; when the errors have passed it does what is due."""
    site.start(footing=(LOCK,))
    site.until(lambda: len(site.clouds[A].here) == 2)
    path, cloud = site.folder / "root" / LOCK, site.clouds[A]
    _loop(path)
    site.until(lambda: "store-failed" in caplog.text)
    before = dict(cloud.calls)
    ended = cloud.here[0].listed.name
    cloud.finish(ended)
    site.until(lambda: cloud.calls["machines"] > before["machines"] + 1)
    assert cloud.calls["create"] == before["create"]
    assert cloud.calls["delete"] == before.get("delete", 0)
    _unloop(path)
    site.until(lambda: ended not in {each.listed.name for each in cloud.here})


def test_the_pid_file_of_the_next_manager_is_left(tmp_path: Path) -> None:
    """One that was started in the new folder goes on being found."""
    path = tmp_path / "vcycled.pid"
    with process.pid_file(path):
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_a_log_whose_folder_is_gone_goes_to_standard_error(
    tmp_path: Path, root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """What must be said then, such as that the root is gone, harms nothing."""
    folder = tmp_path / "log"
    folder.mkdir()
    process.log_to(folder / "vcycled.log", "info")
    shutil.rmtree(folder)
    root_logger.error("files-replaced")
    root_logger.error("ended")
    said = capsys.readouterr().err
    assert "files-replaced" in said
    assert "ended" in said
    folder.mkdir()
    root_logger.error("again")
    assert "again" in (folder / "vcycled.log").read_text()


@pytest.mark.live
def test_vcycled_ends_with_status_1_when_its_root_was_replaced(tmp_path: Path) -> None:
    """A process as systemd has it; what runs in the new folder is left alone."""
    root, conf = tmp_path / "root", tmp_path / "vcycle.conf"
    conf.write_text(f"[vcycle]\nroot = {root}\n")
    line = [sys.executable, "-c", "import vcycled.daemon as m; m.main()", "--config", str(conf)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as manager:
        assert manager.stderr is not None
        said = ""
        while "config-read" not in said:
            said = manager.stderr.readline()
            assert said
        root.rename(tmp_path / "old")
        root.mkdir()
        with process.only_one(root), process.pid_file(root / "vcycled.pid"):
            said = manager.stderr.read()
            assert manager.wait(60) == 1
            assert (root / "vcycled.pid").exists()
    assert f"files-replaced path={root / LOCK}" in said
    assert said.endswith(f"vcycled: {root / LOCK} was deleted or replaced while vcycled ran\n")
