"""The page of what is wrong with the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.admin.pages.parts import Cell, Command, Grid, Page
from vcycled.admin.pages.visit import Visit
from vcycled.cli.printing import Tone
from vcycled.cli.session import Session
from vcycled.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationPage:
    """What the page says."""

    errors: Grid
    warnings: Grid
    unusable: Grid
    removed: Grid
    """Spaces whose sections were taken out, which is no error."""


def configuration(session: Session, _visit: Visit) -> Page:
    """Return the page: what `vcycle config check` says, and what is not used for it."""
    config = session.config
    errors = [each for each in config.problems if not each.is_warning]
    warnings = [each for each in config.problems if each.is_warning]
    unusable = {
        **{f"[{title}]": f"not used: {why}" for title, why in config.unusable.items()},
        **{
            space.name: f"held: {space.held}"
            for space in config.spaces
            if space.held and not space.is_removed
        },
    }
    rows = tuple(
        (Cell(text=title), Cell(text=why, tone=Tone.BAD))
        for title, why in sorted(unusable.items())
    )
    removed = tuple(
        (Cell(text=space.name), Cell(text=f"{space.held}: it gets no more machines"))
        for space in config.spaces
        if space.is_removed
    )
    return Page(
        template="configuration.html",
        title="Configuration",
        facts=ConfigurationPage(
            errors=_problems(errors, "Errors", Tone.BAD),
            warnings=_problems(warnings, "Warnings", Tone.WARN),
            unusable=Grid(caption="What they stop", headings=("Section", "What"), rows=rows),
            removed=Grid(caption="Removed spaces", headings=("Space", "What"), rows=removed),
        ),
        commands=(
            Command(does="Check it", command="vcycle config check"),
            Command(does="See all options as they are used", command="vcycle config show"),
        ),
    )


def _problems(problems: list[Problem], caption: str, tone: Tone) -> Grid:
    return Grid(
        caption=caption,
        headings=("Where", "Section", "Option", "What is wrong"),
        rows=tuple(
            (
                Cell(text=f"{each.file}:{each.line}" if each.line else each.file or "-"),
                Cell(text=f"[{each.section}]" if each.section else "-"),
                Cell(text=each.option or "-"),
                Cell(text=each.message, tone=tone),
            )
            for each in problems
        ),
    )
