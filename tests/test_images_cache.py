"""Images of web servers: fetched once, asked for again, kept when the server is gone."""

from __future__ import annotations

import fcntl
import os
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme

from tests.http_servers import Script, answer, serving
from vcycled.download import Patience
from vcycled.errors import ImageError
from vcycled.images import Copy, ImageCache, Source, source_of
from vcycled.testing.clock import START, FakeClock

STAMP = formatdate(START, usegmt=True)
PATIENCE = Patience(connect_s=60.0, read_s=60.0, total_s=60.0)
HASTY = replace(PATIENCE, read_s=0.25)
"""For a server that hangs: one that answers must not have to be quick on a busy host."""
NOT_MODIFIED = answer("304 Not Modified")


def image(body: bytes = b"image", **headers: str) -> bytes:
    """Return the answer with an image and its age, or with these headers instead."""
    return answer("200 OK", body, **(headers or {"Last_Modified": STAMP}))


@dataclass(slots=True)
class Cache:
    """A cache in a folder, and what it told of its progress."""

    folder: Path
    patience: Patience = PATIENCE
    reserve_bytes: int = 0
    is_stopping: Callable[[], bool] = lambda: False
    told: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def cas(self) -> Path:
        """The folder of authorities."""
        return self.folder.with_name("certificates")

    def refresh(self, script: Script, place: str = "http://localhost:{}/disk.img") -> Copy:
        """Ask a server of this script on a port of its own; the port is in no label."""
        with serving(script) as port:
            return self.ask(place, port)

    def ask(self, place: str, port: int) -> Copy:
        """Ask the server on this port."""
        cache = ImageCache(
            self.folder,
            clock=FakeClock(START + 500),
            ca_folder=self.cas,
            patience=self.patience,
            reserve_bytes=self.reserve_bytes,
        )
        source = Source(place=place.format(port), label="http://localhost/disk.img")
        return cache.refresh(
            source, lambda *each: self.told.append(each), is_stopping=self.is_stopping
        )

    @property
    def files(self) -> list[str]:
        """What stands in the folder but for locks."""
        return sorted(each.name for each in self.folder.iterdir() if each.suffix != ".lock")


CHUNKED = b"HTTP/1.1 200 OK\r\nETag: x\r\nTransfer-Encoding: chunked\r\n\r\n"
NAME = "http%3A%2F%2Flocalhost%2Fdisk.img"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """A cache whose folder is not there yet."""
    return Cache(tmp_path / "imagecache")


def test_an_image_is_fetched_and_bears_the_age_that_the_server_states(cache: Cache) -> None:
    """The folder is for us alone; progress is told with the length."""
    copy = cache.refresh(Script((image(b"x" * 2**21),)))
    assert copy == Copy(path=cache.folder / NAME, is_new=True)
    assert copy.path.read_bytes() == b"x" * 2**21
    assert copy.path.stat().st_mtime == START
    assert cache.told == [(2**20, 2**21), (2**21, 2**21)]
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert copy.path.stat().st_mode & 0o777 == 0o600


def test_it_is_asked_for_again_with_what_the_server_said_of_it(cache: Cache) -> None:
    """Age and ETag, word for word; an answer that nothing is newer leaves the copy alone."""
    cache.refresh(Script((image(b"one", Last_Modified=STAMP, ETag='"abc"'),)))
    script = Script((NOT_MODIFIED,))
    copy = cache.refresh(script)
    assert copy == Copy(path=cache.folder / NAME)
    assert f"If-Modified-Since: {STAMP}\r\n" in script.heard[0]
    assert 'If-None-Match: "abc"\r\n' in script.heard[0]
    assert copy.path.read_bytes() == b"one"


def test_a_newer_image_takes_the_place_of_the_copy(cache: Cache) -> None:
    """Whole, by renaming: who has the old one open reads it to the end."""
    path = cache.refresh(Script((image(b"one"),))).path
    with path.open("rb") as old:
        assert cache.refresh(Script((image(b"two"),))).is_new
        assert old.read() == b"one"
    assert path.read_bytes() == b"two"
    assert cache.files == [f".{NAME}.json", NAME]


def test_the_time_of_a_copy_without_a_note_is_what_is_asked_with(cache: Cache) -> None:
    """So a cache of Vcycle 3 goes on; so does one whose note is damaged or of another file."""
    cache.folder.mkdir()
    copy = cache.folder / NAME
    for note in (None, "{", "[]", "{}", '{"file": [3, 5], "If-None-Match": "x"}'):
        copy.write_bytes(b"old")
        os.utime(copy, (START - 60, START - 60))
        if note is not None:
            (cache.folder / f".{NAME}.json").write_text(note)
        script = Script((NOT_MODIFIED,))
        assert not cache.refresh(script).is_new
        wanted = f"If-Modified-Since: {formatdate(START - 60, usegmt=True)}\r\n"
        assert wanted in script.heard[0]
        assert "If-None-Match" not in script.heard[0]


def test_an_etag_is_enough(cache: Cache) -> None:
    """An image without an age gets that of its arrival."""
    path = cache.refresh(Script((image(ETag='"abc"'),))).path
    assert path.stat().st_mtime == START + 500
    script = Script((NOT_MODIFIED,))
    cache.refresh(script)
    assert 'If-None-Match: "abc"\r\n' in script.heard[0]
    assert "If-Modified-Since" not in script.heard[0]


BAD = [
    pytest.param(Script((answer("404 Not Found"),)), "answered 404 Not Found, not 200", id="404"),
    pytest.param(Script((answer("500 Oops", b"x"),)), "answered 500 Oops", id="500"),
    pytest.param(Script((image(X_Nothing="1"),)), "neither Last-Modified nor", id="ageless"),
    pytest.param(
        Script((image(Last_Modified="yesterday"),)), "neither Last-Modified", id="nonsense"
    ),
    pytest.param(
        Script((image(Last_Modified=STAMP, Content_Length="9"),)),
        "ended before the answer did",
        id="cut",
    ),
    pytest.param(
        Script((CHUNKED, b"3\r\nima\r\n")), "ended before the answer did", id="cut between chunks"
    ),
    pytest.param(
        Script((b"HTTP/1.1 200 OK\r\nETag: x\r\n\r\n", b"image")),
        "does not say how long",
        id="of any length",
    ),
    pytest.param(
        Script((image(Last_Modified=STAMP, Content_Encoding="gzip"),)),
        "sent packed",
        id="packed",
    ),
    pytest.param(
        Script((answer("302 Found", Location="/again"),)), "redirects more than 5", id="a circle"
    ),
    pytest.param(Script((b"HTTP/1.1 200 OK\r\n",), pause_s=60.0), "no answer within", id="hangs"),
]


@pytest.mark.parametrize(("script", "why"), BAD)
def test_what_is_no_whole_image_is_not_kept(cache: Cache, script: Script, why: str) -> None:
    """Nor is any part of it left behind."""
    cache.patience = HASTY if script.pause_s else PATIENCE
    with pytest.raises(ImageError, match=why) as caught:
        cache.refresh(script)
    assert str(caught.value).startswith("http://localhost/disk.img: ")
    assert cache.files == []


@pytest.mark.parametrize(("script", "why"), BAD)
def test_the_last_good_copy_stays_and_it_is_said_why(
    cache: Cache, script: Script, why: str
) -> None:
    """A server that is dead, broken or lying changes nothing."""
    path = cache.refresh(Script((image(b"good"),))).path
    cache.patience = HASTY if script.pause_s else PATIENCE
    copy = cache.refresh(script)
    assert not copy.is_new
    assert copy.trouble
    assert path.read_bytes() == b"good"
    assert cache.files == [f".{NAME}.json", NAME]


def test_a_server_that_is_down_is_named_with_the_reason(cache: Cache) -> None:
    """In the system's own words."""
    with pytest.raises(ImageError, match=r"^http://localhost/disk.img: Connection refused$"):
        cache.ask("http://localhost:{}/disk.img", 1)


def test_secrets_of_a_url_are_told_to_the_server_only(cache: Cache) -> None:
    """No message, label or file name holds user, password or query."""
    place = "http://user:pass@localhost:80/disk.img?token=hush"
    source = source_of(place)
    assert source is not None
    assert source.place == place
    shown = f"{source!r} {ImageCache(cache.folder, clock=FakeClock()).path_of(source)}"
    assert not any(word in shown for word in ("pass", "hush", "user:"))
    with pytest.raises(ImageError) as caught:
        cache.ask(place.replace(":80", ":{}"), 1)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_may_have_its_certificate_from_an_authority_of_grids(cache: Cache) -> None:
    """In files named by the hash of their subject; the usual authorities count as before."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    cache.cas.mkdir()
    pem = cache.cas / "own.pem"
    authority.cert_pem.write_to_path(str(pem))
    with serving(Script((image(),)), context) as port:
        with pytest.raises(ImageError, match="its certificate is not accepted"):
            cache.ask("https://localhost:{}/disk.img", port)
        pem.rename(cache.cas / f"{subject_hash(pem)}.0")
        assert cache.ask("https://localhost:{}/disk.img", port).is_new


def subject_hash(pem: Path) -> str:
    """Return the name under which OpenSSL looks for an authority."""
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(pem)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_trickle_ends_when_its_time_is_over(cache: Cache) -> None:
    """However often a byte comes."""
    cache.patience = replace(PATIENCE, total_s=0.3)
    with pytest.raises(ImageError, match=r"took longer than 0\.3 s"):
        cache.refresh(Script((CHUNKED, b"1\r\nx\r\n"), pause_s=0.05, is_endless=True))


@pytest.mark.parametrize("has_length", [True, False])
def test_what_does_not_fit_on_the_disk_is_not_begun(cache: Cache, *, has_length: bool) -> None:
    """Something must be left for the database; without a length each part is looked at."""
    cache.reserve_bytes = 2**60
    answers = (image(),) if has_length else (CHUNKED, b"1\r\nx\r\n0\r\n\r\n")
    with pytest.raises(ImageError, match="to spare do not fit on the disk"):
        cache.refresh(Script(answers))
    assert cache.told == []


def test_an_image_in_chunks_is_whole_when_its_last_one_is_there(cache: Cache) -> None:
    """Its length is not known before."""
    script = Script((CHUNKED, b"3\r\nima\r\n", b"2\r\nge\r\n", b"0\r\n\r\n"))
    assert cache.refresh(script).path.read_bytes() == b"image"
    assert cache.told[-1] == (5, None)


def test_a_download_stops_when_told(cache: Cache) -> None:
    """And leaves nothing."""
    cache.is_stopping = lambda: len(cache.told) == 1
    with pytest.raises(ImageError, match="told to stop"):
        cache.refresh(Script((image(b"x" * 2**22),)))
    assert cache.files == []


def test_two_spaces_do_not_fetch_one_image_at_once(cache: Cache) -> None:
    """The second goes on with what there is, or is told to wait."""
    cache.folder.mkdir()
    with (cache.folder / f".{NAME}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ImageError, match="is being fetched for another space"):
            cache.ask("http://localhost:{}/disk.img", 1)
    assert cache.refresh(Script((image(),))).is_new


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """As the operator must mend it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError, match="imagecache cannot be written: Not a directory"):
        Cache(tmp_path / "file" / "imagecache").refresh(Script((image(),)))


def test_images_of_the_cloud_need_no_source() -> None:
    """Nor does a machinetype without an image."""
    assert source_of("image:CernVM") is None
    assert source_of(None) is None
    assert source_of("") is None


@pytest.mark.parametrize(
    ("root_image", "label", "name"),
    [
        ("/srv/images/vm.iso", "/srv/images/vm.iso", "vm.iso"),
        ("https://cvm.example.org/vm.hdd", "https://cvm.example.org/vm.hdd", "vm.hdd"),
        (
            "https://u@h.example.org/vm.iso?x=1",
            "https://h.example.org/vm.iso#51182761c995",
            "vm.iso",
        ),
    ],
)
def test_a_source_has_a_label_for_people(root_image: str, label: str, name: str) -> None:
    """What was taken out of a URL is stood for by a hash, so that two URLs stay two."""
    source = source_of(root_image)
    assert source is not None
    assert (source.label, source.name) == (label, name)
    assert source.is_remote == root_image.startswith("https")


def test_labels_and_file_names_are_never_too_long(tmp_path: Path) -> None:
    """And differ where the places do."""
    long = [source_of("https://h.example.org/" + "é/" * 500 + end) for end in ("a", "b")]
    cache = ImageCache(tmp_path, clock=FakeClock())
    paths = {cache.path_of(each) for each in long if each}
    assert len(paths) == 2
    assert all(len(path.name) <= 240 for path in paths)
    assert all(len(each.label.encode()) <= 213 for each in long if each)


class TestPruning:
    """Copies that nobody names any more."""

    @pytest.fixture
    def old(self, tmp_path: Path) -> ImageCache:
        """A cache with one copy, whole with all that may stand beside it."""
        folder = tmp_path / "imagecache"
        folder.mkdir()
        for name in (NAME, f".{NAME}.json", f".{NAME}.part", f".{NAME}.lock"):
            (folder / name).write_text("x")
        os.utime(folder / f".{NAME}.lock", (START, START))
        return ImageCache(folder, clock=FakeClock())

    @pytest.mark.parametrize(("before", "removed"), [(START, 0), (START + 1, 1)])
    def test_one_goes_by_when_it_was_last_asked_for(
        self, old: ImageCache, tmp_path: Path, before: int, removed: int
    ) -> None:
        """With all that stands beside it but the lock, which somebody may be waiting for."""
        assert old.prune([], before=before) == removed
        left = sorted(each.name for each in (tmp_path / "imagecache").iterdir())
        assert (left == [f".{NAME}.lock"]) is bool(removed)
        assert len(left) == (1 if removed else 4)
        assert old.prune([], before=before) == 0

    def test_one_that_is_named_stays(self, old: ImageCache) -> None:
        """Whenever it was last asked for: its server, or the manager, may have been away."""
        source = source_of("http://localhost/disk.img")
        assert source is not None
        assert old.prune([source], before=START + 1) == 0

    def test_a_file_that_is_named_by_its_path_stays(self, old: ImageCache, tmp_path: Path) -> None:
        """Somebody may point at what Vcycle 3 has fetched."""
        source = source_of(str(tmp_path / "imagecache" / NAME))
        assert source is not None
        assert old.prune([source], before=START + 1) == 0

    def test_what_is_to_go_is_told_of_without_a_change(
        self, old: ImageCache, tmp_path: Path
    ) -> None:
        """One that was never asked for begins to age now; one that is named is none of them."""
        lock = tmp_path / "imagecache" / f".{NAME}.lock"
        wanted_at = int(lock.stat().st_mtime)
        (copy,) = old.unnamed([])
        assert (copy.path.name, copy.wanted_at) == (NAME, wanted_at)
        lock.unlink()
        (copy,) = old.unnamed([])
        assert copy.wanted_at == START
        assert not lock.exists()
        source = source_of("http://localhost/disk.img")
        assert source is not None
        assert list(old.unnamed([source])) == []
        (tmp_path / "imagecache" / NAME).unlink()
        assert list(old.unnamed([])) == []

    def test_one_that_is_being_fetched_stays(self, old: ImageCache, tmp_path: Path) -> None:
        """By another process; the next time will do."""
        lock = tmp_path / "imagecache" / f".{NAME}.lock"
        with lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert old.prune([], before=START + 1) == 0
        assert old.prune([], before=START + 1) == 1

    def test_a_copy_of_vcycle_3_begins_to_age_when_it_is_first_seen(
        self, old: ImageCache, tmp_path: Path
    ) -> None:
        """Its own time stamp is that of the server."""
        lock = tmp_path / "imagecache" / f".{NAME}.lock"
        lock.unlink()
        assert old.prune([], before=1) == 0
        os.utime(lock, (START, START))
        assert old.prune([], before=START + 1) == 1

    def test_what_a_killed_fetch_left_goes_uncounted(
        self, old: ImageCache, tmp_path: Path
    ) -> None:
        """There was no copy yet; a folder in there is not ours."""
        folder = tmp_path / "imagecache"
        (folder / NAME).unlink()
        (folder / "mine").mkdir()
        assert old.prune([], before=START + 1) == 0
        assert sorted(each.name for each in folder.iterdir()) == [f".{NAME}.lock", "mine"]

    def test_a_folder_that_is_not_there_is_empty(self, tmp_path: Path) -> None:
        """No image was ever fetched."""
        assert ImageCache(tmp_path / "none", clock=FakeClock()).prune([], before=START) == 0


def test_asking_for_a_copy_tells_when_that_was(cache: Cache) -> None:
    """Also when the server has nothing newer."""
    cache.refresh(Script((image(),)))
    lock = cache.folder / f".{NAME}.lock"
    os.utime(lock, (1, 1))
    cache.refresh(Script((NOT_MODIFIED,)))
    assert lock.stat().st_mtime > 1
