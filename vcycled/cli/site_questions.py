"""What can be asked of an installation as a whole: by a command, and by a path of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

from vcycled.apel.sync import month_of, read_month
from vcycled.cli.asking import Question, Told, parameters
from vcycled.cli.disk import Usage, disk_blocks, disk_json
from vcycled.cli.managers import managers_blocks, managers_json
from vcycled.cli.printing import Line
from vcycled.cli.probe import Finding, Thresholds, judge
from vcycled.cli.probe import answer as verdict
from vcycled.cli.probe_command import probe_facts, room
from vcycled.cli.session import Session
from vcycled.cli.status import (
    chosen,
    kinds_json,
    manager_line,
    problem_lines,
    status_blocks,
)
from vcycled.cli.usage import Account, account_blocks, account_json
from vcycled.cli.views import staff_of
from vcycled.house.disks import disks
from vcycled.house.ledger import areas


@dataclass(frozen=True, slots=True, kw_only=True)
class Managers(Question):
    """Which managers there are, and who holds which space."""

    path: ClassVar[str] = "/managers"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            staff, view = staff_of(store), session.view(store)
        told = managers_json(staff) if staff is not None else {"managers": [], "spaces": []}
        return Told(
            document=lambda: {"is_shared": staff is not None, **told},
            blocks=lambda: (
                [manager_line(view, session.words)]
                if staff is None
                else managers_blocks(staff, session.words)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting(Question):
    """What machines used in a month."""

    path: ClassVar[str] = "/accounting"
    month: str = ""
    """YYYYMM in UTC; empty for the one that it is."""

    def query(self) -> Mapping[str, str]:
        """Return which month."""
        return parameters(month=self.month)

    def answer(self, session: Session) -> Told:
        """Tell it."""
        now = session.now
        month = read_month(self.month, now=now) if self.month else month_of(now)
        with session.store() as store:
            account = Account(
                month=month,
                usage=store.usage(month.year, month.month),
                open_runs=store.open_runs(month.year, month.month),
            )
        return Told(document=lambda: account_json(account), blocks=lambda: account_blocks(account))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse(Question):
    """What takes up how much of the manager's disks."""

    path: ClassVar[str] = "/disk"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            found = areas(session.config, store, clock=session.clock)
        manager = session.config.manager
        usage = Usage(
            now=session.now, min_free_mb=manager.min_free_mb, disks=disks(manager), areas=found
        )
        return Told(
            document=lambda: disk_json(usage), blocks=lambda: disk_blocks(usage, session.words)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinetypes(Question):
    """Machinetypes of all spaces, or of one."""

    path: ClassVar[str] = "/machinetypes"
    space: str = ""

    def query(self) -> Mapping[str, str]:
        """Return of which space."""
        return parameters(space=self.space)

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            view = chosen(session.view(store), self.space)
        return Told(
            document=lambda: [kind for each in view.spaces for kind in kinds_json(each)],
            blocks=lambda: status_blocks(view, session.words),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration(Question):
    """What is wrong with the configuration."""

    path: ClassVar[str] = "/configuration"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        config = session.config
        return Told(
            document=lambda: {
                "errors": [asdict(each) for each in config.errors],
                "warnings": [asdict(each) for each in config.problems if each.is_warning],
                "unusable": dict(config.unusable),
            },
            blocks=lambda: problem_lines(config.problems),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment(Question):
    """All of it, judged with the usual bounds."""

    path: ClassVar[str] = "/check"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        bounds = replace(Thresholds(), disk=room(session.config))
        parts = judge(probe_facts(session), bounds)
        findings = [each for each in parts if isinstance(each, Finding)]
        level, text = verdict(parts)
        return Told(
            document=lambda: {
                "level": level.name,
                "findings": [{"level": each.level.name, "text": each.text} for each in findings],
            },
            blocks=lambda: [Line(each) for each in text.splitlines()],
        )
