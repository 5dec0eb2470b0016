"""`vcycle images`: as operators see it, and as programs do."""

from __future__ import annotations

import os
from urllib.parse import quote

from tests.builders import NOW
from tests.cli_kit import CONF, OTHER, SECOND_SPACE, SPACE, OnASite, Site, report
from vcycled.images.status import ImageState, ImageStatus
from vcycled.model import Cause, Hold

READY = ImageStatus(
    source="/srv/vm.qcow2",
    state=ImageState.READY,
    since=NOW - 3600,
    machinetypes=("prod", "test"),
    image_id="id-1",
    format="qcow2",
    size_bytes=2_100_000_000,
)
UPLOADING = ImageStatus(
    source="https://images.example.org/vm.iso",
    state=ImageState.UPLOADING,
    since=NOW - 60,
    machinetypes=("prod",),
    image_id="id-2",
    format="iso",
    size_bytes=21_000_000,
    done_bytes=7_140_000,
)
FAILED = ImageStatus(
    source="/srv/gone.img",
    state=ImageState.FAILED,
    since=NOW - 60,
    detail="/srv/gone.img cannot be read: No such file or directory",
    until=NOW + 60,
)
OLD = ImageStatus(
    source="/srv/vm.qcow2",
    state=ImageState.OLD,
    since=NOW - 200,
    image_id="id-0",
    size_bytes=5,
    detail="no machine uses it",
    until=NOW + 100,
)
USED = ImageStatus(
    source="/srv/vm.qcow2",
    state=ImageState.UNFINISHED,
    since=NOW,
    image_id="id-9",
    size_bytes=0,
    detail="machines still use it",
)


class TestImages(OnASite):
    """The command."""

    def test_every_image_has_a_row(self, site: Site) -> None:
        """What is being done, and what machines are made of meanwhile."""
        site.report(report(images=(READY, UPLOADING, FAILED, OLD, USED)))
        lines = [" ".join(line.split()) for line in site.ok("images").splitlines()]
        assert lines == [
            "SPACE SOURCE STATE SIZE FORMAT SINCE FOR REMARKS",
            f"{SPACE} /srv/vm.qcow2 ready 2.0 GiB qcow2 07:00:00 UTC prod test"
            " machines are made of image id-1",
            f"{SPACE} https://images.example.org/vm.iso uploading 20.0 MiB iso 07:59:00 UTC prod"
            " being uploaded, 34 % of 20.0 MiB; machines are made of image id-2",
            f"{SPACE} /srv/gone.img failed 07:59:00 UTC"
            " /srv/gone.img cannot be read: No such file or directory;"
            " tried again at 08:01:00 UTC",
            f"{SPACE} /srv/vm.qcow2 old 5 bytes 07:56:40 UTC"
            " image id-0: no machine uses it; removed in 1 min 40 s (08:01:40 UTC)",
            f"{SPACE} /srv/vm.qcow2 unfinished 0 bytes 08:00:00 UTC"
            " image id-9: machines still use it",
        ]

    def test_programs_get_every_field(self, site: Site) -> None:
        """And the space."""
        site.report(report(images=(UPLOADING,)))
        assert site.json("images") == [
            {
                "space": SPACE,
                "source": "https://images.example.org/vm.iso",
                "state": "uploading",
                "since": NOW - 60,
                "machinetypes": ["prod"],
                "image_id": "id-2",
                "format": "iso",
                "size_bytes": 21_000_000,
                "done_bytes": 7_140_000,
                "detail": "",
                "until": None,
            }
        ]

    def test_copies_that_no_machinetype_names_have_rows_too(self, site: Site) -> None:
        """With what they are of, and when they are removed: a week after they were last wanted."""
        folder = site.root / "imagecache"
        folder.mkdir()
        names = [quote(f"https://images.example.org/{name}.img", safe="") for name in ("a", "b")]
        for name in names:
            (folder / name).write_bytes(b"12345")
            (folder / f".{name}.lock").touch()
            os.utime(folder / f".{name}.lock", (NOW - 86_400, NOW - 86_400))
        site.configure(
            f"{CONF}"
            f"[machinetype {SPACE} new]\ntarget_share = 1\nbackoff_seconds = 9\n"
            "fizzle_seconds = 9\nuser_data = FOLDER/user_data\n"
            "root_image = https://images.example.org/b.img\n"
        )
        (row,) = site.json("images")
        assert (row["space"], row["source"]) == ("", "https://images.example.org/a.img")
        assert (row["state"], row["size_bytes"]) == ("unnamed", 5)
        assert (row["since"], row["until"]) == (NOW - 86_400, NOW + 6 * 86_400)
        page = site.ok("images")
        assert "a copy on this host that no machinetype names; removed in 6 d" in page
        assert site.ok("images", SPACE) == "no image is uploaded from here\n"

    def test_one_space_can_be_asked_for(self, site: Site) -> None:
        """A name that is not known is refused."""
        site.configure(CONF + SECOND_SPACE)
        site.report(report(images=(READY,)))
        site.report(report(space=OTHER, images=(OLD,)))
        assert "id-1" in site.ok("images", SPACE)
        assert "id-0" not in site.ok("images", SPACE)
        assert len(site.json("images")) == 2
        assert "there is no space" in site.refused("images", "cloud.example.cm")

    def test_an_old_report_is_marked(self, site: Site) -> None:
        """It may be out of date."""
        site.report(report(at=NOW - 900, wake_at=NOW - 840, images=(READY,)))
        assert site.ok("images").startswith(f"{SPACE}: this may be out of date\n")

    def test_where_there_is_none_that_is_said(self, site: Site) -> None:
        """Before the first cycle too."""
        assert site.ok("images") == "no image is uploaded from here\n"
        assert site.json("images") == []

    def test_why_tells_what_an_image_waits_for(self, site: Site) -> None:
        """With instants in words."""
        detail = f"image: no answer; tried again at {NOW + 60}"
        hold = Hold(machinetype="prod", cause=Cause.HELD, detail=detail)
        site.report(report(holds=(hold,)))
        assert "held: image: no answer; tried again at 08:01:00 UTC" in site.ok("why", SPACE)
