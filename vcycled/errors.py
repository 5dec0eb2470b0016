"""What can go wrong, by the one question that matters: who acts next?

    VcycleError
    ├── ConfigError            the operator, before anything starts
    ├── OperatorError          the operator, about the command just given
    │   ├── Unknown            the same: there is nothing of that name
    │   └── Misworded          the same: it makes no sense
    ├── StoreError             the manager, when the database answers again
    │   ├── LeaseLost          nobody here: another manager looks after the space now
    │   └── Outdated           the operator: a newer Vcycle has changed the tables, install it here
    ├── UserDataError          the VO or the operator: this machinetype has no user_data now
    ├── ImageError             the VO or the operator: this root image cannot be used now
    ├── SinkError              accounting records wait; sinks raise these and nothing else
    │   ├── SinkUnavailable    the manager, after a while (or after `retry_after_s`)
    │   └── SinkRefused        a person: the sink will not take them as things are
    └── SpaceError             what a cloud said; spaces raise these and nothing else
        ├── Unavailable        the manager, at the next cycle (or after `retry_after_s`)
        ├── Refused            a person: the cloud will not do this however often it is asked
        ├── QuotaExceeded      nobody now: creation stops in this space for a while
        └── NoCapacity         the planner: another flavor or zone

Anything else that is raised is a bug. It is caught only at the top of a cycle, where its
traceback is logged and the other spaces go on.
"""

from __future__ import annotations

from dataclasses import dataclass


class VcycleError(Exception):
    """Everything that the manager raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing wrong with the configuration, and where it stands."""

    file: str
    line: int
    section: str
    option: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        """Return `file:line: [section] option: message`, without the parts that are not known."""
        place = (
            f"{self.file}:{self.line}: " if self.line else (f"{self.file}: " if self.file else "")
        )
        section = f"[{self.section}] " if self.section else ""
        option = f"{self.option}: " if self.option else ""
        return f"{place}{section}{option}{self.message}"


class ConfigError(VcycleError):
    """The configuration cannot be used; `problems` says all that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class OperatorError(VcycleError):
    """A command names something that does not exist or cannot be done now."""


class Unknown(OperatorError):
    """There is nothing of the name that was given."""


class Misworded(OperatorError):
    """What was said makes no sense, whatever there is."""


class StoreError(VcycleError):
    """The database did not take or give what was asked; nothing was half written."""


class LeaseLost(StoreError):
    """Another manager holds the space, so that this one must write nothing of it."""


class Outdated(StoreError):
    """The database is that of a newer Vcycle, so that this one must write nothing any more."""


class UserDataError(VcycleError):
    """The user_data of a machinetype could not be made; the text says why."""


class ImageError(VcycleError):
    """A root image of this host or of a web server cannot be used; the text says why."""


class SinkError(VcycleError):
    """A sink did not take accounting records; the text says why, without secrets."""


class SinkUnavailable(SinkError):
    """It did not answer, or said that it cannot now."""

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class SinkRefused(SinkError):
    """It cannot be used as it is configured, or is full."""


class SpaceError(VcycleError):
    """A cloud did not do what was asked.

    `operation` is the verb of the contract (`machines`, `create`, …); `detail` is what the cloud
    said, in one line and without secrets.
    """

    def __init__(self, operation: str, detail: str) -> None:
        self.operation = operation
        self.detail = " ".join(detail.split())
        super().__init__(f"{operation}: {self.detail}")


class Unavailable(SpaceError):
    """No answer, or one that may be better later.

    The outcome of a `create` is then unknown, unless `is_undone` says that surely nothing was
    made: it was never sent, or turned away before it was looked at.
    """

    def __init__(
        self,
        operation: str,
        detail: str,
        *,
        retry_after_s: int | None = None,
        is_undone: bool = False,
    ) -> None:
        super().__init__(operation, detail)
        self.retry_after_s = retry_after_s
        self.is_undone = is_undone


class Refused(SpaceError):
    """The cloud understood and says no: credentials, permissions, a name that does not exist."""


class QuotaExceeded(SpaceError):
    """The project's quota is used up. Nothing was made."""


class NoCapacity(SpaceError):
    """The cloud has no room for this flavor in this zone now. Nothing was made."""
