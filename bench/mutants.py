"""Does a test fail for every small change of the planner? `make mutants` asks.

A mutant is one change in `vcycled/plan`: of a comparison or its boundary, an operator, a number by
one, a condition, a minimum, a returned value, a member of a set, a statement left out. For each, a
child process imports the changed module and runs the planner's tests until one fails. Survivors
that no test can tell apart stand with the reason in mutants_equivalent.toml; any other survivor,
and any that is listed but killed or no more, is an error.

    python -m bench.mutants [PART-OF-NAME]
"""

import ast
import os
import resource
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

import hypothesis.strategies  # noqa: F401 - once here, not in every child
import pytest

import vcycled.model
import vcycled.testing.clock  # noqa: F401 - as above

TOP = Path(__file__).parent.parent
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
TESTS = set(TOP.glob("tests/test_plan_*.py")) - {TOP / "tests/test_plan_docs.py"}
SLOW = {
    TOP / "tests/test_plan_laws.py",
    TOP / "tests/test_plan_over_time.py",
    TOP / "tests/test_plan_giving_way.py",
}
QUICK_CPU_SECONDS, SLOW_CPU_SECONDS, MEMORY_BYTES = 10, 60, 1 << 30
"""Some mutants never end, and ask for machine after machine."""

PAIRS = (
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.Is, ast.IsNot)),
    *((ast.In, ast.NotIn), (ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div)),
    (ast.LShift, ast.RShift),
)
OTHER: dict[type[ast.AST], type[ast.AST]] = {
    one: other for a, b in PAIRS for one, other in ((a, b), (b, a))
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
SKIPPED = {"decorator_list", "annotation", "returns"}
NONE = ast.Constant(value=None)
Put = Callable[[ast.AST], None]


def changes(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - a table
    """Yield what may stand in place of a node."""
    if type(node) in OTHER:
        yield OTHER[type(node)]()
    match node:
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.BoolOp(values=values):
            yield from values
        case ast.Compare(ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()]):
            yield ast.UnaryOp(op=ast.Not(), operand=node)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(value=not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value=value + 1), ast.Constant(value=value - 1))
        case ast.Name(id=name) if name in NAMES:
            yield ast.Name(id=NAMES[name], ctx=ast.Load())
        case ast.If(test=ast.Name() | ast.Call() | ast.Attribute() as test, body=body):
            yield ast.If(ast.UnaryOp(op=ast.Not(), operand=test), body, node.orelse)
        case ast.comprehension(target=target, iter=values, ifs=[_]):
            yield ast.comprehension(target=target, iter=values, ifs=[], is_async=0)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test=test, body=orelse, orelse=body)
        case ast.Return(value=ast.expr() as value) if ast.dump(value) != ast.dump(NONE):
            yield ast.Return(value=NONE)
        case ast.Set(elts=each):
            yield from (ast.Set(elts=[x for x in each if x is not left]) for left in each)
        case ast.Lambda(args=args, body=ast.Tuple(elts=each)):
            for left in each:
                rest = ast.Tuple(elts=[x for x in each if x is not left], ctx=ast.Load())
                yield ast.Lambda(args=args, body=rest)
        case _:
            pass


def sites(parent: ast.AST, where: str) -> Iterator[tuple[str, ast.AST, ast.AST, Put]]:
    """Yield each node with the function and node that hold it, and how to replace it there."""
    for field, value in ast.iter_fields(parent):
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children if field not in SKIPPED else []):
            if not isinstance(child, ast.AST):
                continue

            put = partial(setattr, parent, field)
            if isinstance(value, list):
                put = partial(value.__setitem__, index)
            yield where, parent, child, put
            yield from sites(child, getattr(child, "name", None) or where)


def mutants(path: Path) -> Iterator[tuple[str, CodeType]]:
    """Yield the name and code of each mutant of a module; names do not depend on line numbers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for where, parent, child, put in list(sites(tree, "")):
        shown = child if isinstance(child, ast.expr | ast.stmt) else parent
        before = ast.unparse(shown).splitlines()[0]
        for new in changes(child):
            put(new)
            after = ast.unparse(new if shown is child else parent).splitlines()[0]
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
            put(child)
            yield f"{path.name} {where}: {before} => {after}", code


class Mutated(SourceFileLoader):
    """Imports one module from given code; stands first in sys.meta_path."""

    def __init__(self, path: Path, code: CodeType) -> None:
        name = ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")
        super().__init__(name, str(path))
        self._code = code

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Return how to import the changed module; the others are not ours."""
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as the loader wants it
        """Return the changed code."""
        return self._code


def is_killed(path: Path, code: CodeType) -> bool:
    """Run the tests in a child process, the near and quick ones first."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.meta_path.insert(0, Mutated(path, code))
    options = ["-xq", "-c", os.devnull, f"--rootdir={TOP}", "-pno:cacheprovider"]
    options += ["--tb=no", "--assert=plain"]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    quick = sorted(TESTS - SLOW, key=lambda each: path.stem not in each.stem)
    for files, cpu_seconds in (quick, QUICK_CPU_SECONDS), (sorted(SLOW), SLOW_CPU_SECONDS):
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, SLOW_CPU_SECONDS))
        if pytest.main([*options, *map(str, files)]):
            os._exit(1)
    os._exit(0)


def main() -> int:
    """Try every mutant whose name contains the argument; return 0 if all is as it should be."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["reasons"]
    expected = {name for name in listed if chosen in name}
    plain = TOP / "vcycled/plan/__init__.py"
    if is_killed(plain, compile(plain.read_text(encoding="utf-8"), str(plain), "exec")):
        sys.exit("the tests fail without any change")
    began = time.monotonic()
    count, alive = 0, set[str]()
    for path in sorted(TOP.glob("vcycled/plan/*.py")):
        for name, code in mutants(path):
            if chosen in name:
                count += 1
                if not is_killed(path, code):
                    alive.add(name)
                    print(" " if name in expected else "!", name, flush=True)
    for name in sorted(expected - alive):
        print("listed, but killed or no more:", name)
    took = time.monotonic() - began
    print(f"{count} mutants, {len(alive)} alive, {len(expected)} listed, {took:.0f} s")
    return int(alive != expected)


if __name__ == "__main__":
    sys.exit(main())
