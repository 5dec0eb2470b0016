"""Makes a package with a space for a cloud of your own: it runs, and passes the contract suite.

    python -m vcycled.testing.new_space frost

makes the folder vcycle-space-frost. docs/how-to/writing-a-space.md says how to go on.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import jinja2

from vcycled import __version__

FILES = {
    "setup.cfg": "setup.cfg",
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "vcycle_space_{name}/__init__.py": "init.py",
    "vcycle_space_{name}/options.py": "options.py",
    "vcycle_space_{name}/wire.py": "wire.py",
    "vcycle_space_{name}/space.py": "space.py",
    "tests/fake_cloud.py": "fake_cloud.py",
    "tests/test_contract.py": "test_contract.py",
    "tests/test_errors.py": "test_errors.py",
}
"""Each file of the package, and the template that it is made of."""


def make(name: str, folder: Path) -> list[Path]:
    """Write the package of a space and return its files.

    Args:
        name: of the API, as `api = NAME` will say: a letter, then letters, digits and _.
        folder: a new one.

    Raises:
        FileExistsError: something of the kind is there already; nothing is overwritten.
    """
    environment = jinja2.Environment(  # noqa: S701 - what is made is no HTML
        loader=jinja2.FunctionLoader(_template),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    words = {"name": name, "title": _title(name), "version": __version__}
    folder.mkdir(parents=True)
    made = []
    for place, template in FILES.items():
        path = folder / place.format(name=name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(environment.get_template(template).render(words), encoding="utf-8")
        made.append(path)
    return made


def _title(name: str) -> str:
    """Return the beginning of names of classes."""
    return "".join(part.capitalize() for part in name.split("_"))


def _template(name: str) -> str:
    return resources.files(__package__).joinpath("files", f"{name}.j2").read_text(encoding="utf-8")
