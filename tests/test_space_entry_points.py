"""A space that is registered is a space that was tested."""

from __future__ import annotations

import ast
from importlib.metadata import entry_points
from pathlib import Path

from vcycled.spaces.base import Space
from vcycled.testing.contract import SpaceContract


def contract_classes() -> dict[str, str]:
    """Return the source of each subclass of SpaceContract in the tests, by its name."""
    found = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(base, ast.Name) and base.id == SpaceContract.__name__
                for base in node.bases
            ):
                found[node.name] = source
    return found


def test_every_registered_space_has_its_contract_class() -> None:
    """The entry point `name` has a class `Test…NAME…` that runs the suite on its class."""
    registered = entry_points(group="vcycle.spaces")
    assert "local" in registered.names
    classes = contract_classes()
    for each in registered:
        space = each.load()
        assert issubclass(space, Space)
        assert any(name.startswith(f"Test{space.__name__}") for name in classes), each.name
