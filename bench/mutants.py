"""Does a test fail for every small change of the planner? `make mutants` asks.

A mutant is one change in `vcycled/plan`: of a comparison or its boundary, an operator, a number by
one, a condition, a minimum, a returned value, a member of a set, a statement left out. The tests
are collected once, and it is noted which of them call which function. For each mutant a child
process puts the changed function in place and runs the tests that call it, the quick ones first,
until one fails. What is not changed within a function, or in one that matters when its module is
imported, is tried in a child that imports the changed module anew and runs all tests. Survivors
that no test can tell apart stand with the reason in mutants_equivalent.toml; any other survivor,
and any that is listed but killed or no more, is an error.

    python -m bench.mutants [PART-OF-NAME]
"""

import ast
import inspect
import os
import resource
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import pytest

TOP = Path(__file__).parent.parent
PLAN = TOP / "vcycled/plan"
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
TESTS = set(TOP.glob("tests/test_plan_*.py")) - {TOP / "tests/test_plan_docs.py"}
SLOW = {
    TOP / "tests/test_plan_laws.py",
    TOP / "tests/test_plan_over_time.py",
    TOP / "tests/test_plan_giving_way.py",
}
OPTIONS = (
    *("-xs", "-c", os.devnull, f"--rootdir={TOP}", "--assert=plain"),
    *("-pno:cacheprovider", "-pno:terminal"),
)
IMPORT = "import"
"""Stands for a test that calls what is called when the planner is imported."""
CPU_SECONDS, TIMES_SLOWER, MEMORY_BYTES = 60, 5, 1 << 30
"""Some mutants never end, and ask for machine after machine: a test may take so much longer."""

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


def dotted(path: Path) -> str:
    """Return the name of the module in a file."""
    return ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")


class Mutated(SourceFileLoader):
    """Imports one module from given code; stands first in sys.meta_path."""

    def __init__(self, path: Path, code: CodeType) -> None:
        super().__init__(dotted(path), str(path))
        self._code = code

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Return how to import the changed module; the others are not ours."""
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as the loader wants it
        """Return the changed code."""
        return self._code


def is_killed_by(tests: Callable[[], int]) -> bool:
    """Run `tests` in a silent child process that is bounded; tell whether any failed."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    failed = 1
    try:
        failed = tests()
    finally:
        os._exit(int(failed != 0))


def import_and_run(path: Path, code: CodeType) -> int:
    """Import a changed module and run all tests, the near and quick ones first."""
    for name in [each for each in sys.modules if each.startswith(("tests.", "vcycled."))]:
        del sys.modules[name]
    sys.meta_path.insert(0, Mutated(path, code))
    quick = sorted(TESTS - SLOW, key=lambda each: path.stem not in each.stem)
    for files in quick, sorted(SLOW):
        allow_cpu(CPU_SECONDS)
        if failed := pytest.main([*OPTIONS, *map(str, files)]):
            return failed
    return 0


def allow_cpu(seconds: float) -> None:
    """End this process if it takes so much more time of a processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def functions(code: CodeType, inside: str = "") -> Iterator[tuple[str, CodeType]]:
    """Yield name and code of each function of a module and its classes; of none in functions."""
    for const in code.co_consts:
        if isinstance(const, CodeType) and const.co_flags & inspect.CO_OPTIMIZED:
            yield inside + const.co_name, const
        elif isinstance(const, CodeType):
            yield from functions(const, f"{inside}{const.co_name}.")


def frame_of(code: CodeType) -> tuple[object, ...]:
    """Return what a module, or a class in it, does but for what its functions do."""
    consts = (
        (frame_of(each) if not each.co_flags & inspect.CO_OPTIMIZED else each.co_name)
        if isinstance(each, CodeType) and not each.co_name.startswith("<")
        else each
        for each in code.co_consts
    )
    return code.co_code, code.co_names, tuple(consts)


def changed_function(plain: CodeType, code: CodeType) -> tuple[str, CodeType] | None:
    """Return the one function that differs, if nothing else does."""
    if frame_of(plain) != frame_of(code):
        return None
    before = dict(functions(plain))
    differ = [(name, each) for name, each in functions(code) if each != before[name]]
    return differ[0] if len(differ) == 1 else None


def living(path: Path, name: str) -> FunctionType | None:
    """Return the function of that name of an imported module, whatever it is wrapped in."""
    found: object = import_module(dotted(path))
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__func__", found)
    return found if isinstance(found, FunctionType) and not found.__closure__ else None


class Bench:
    """The tests, collected in this process, and what each calls."""

    def __init__(self, run: Callable[["Bench"], None]) -> None:
        """Note what to do once they are collected."""
        self._run = run
        self._items: Sequence[pytest.Item] = ()
        self._seconds: dict[str, float] = {}
        self._callers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        with self._noting(IMPORT):
            import_module(dotted(PLAN))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run every test once, and then the mutants."""
        self._items = session.items
        for item in self._items:
            began = time.process_time()
            with self._noting("" if item.path in SLOW else item.nodeid):
                run_item(item)
            self._seconds[item.nodeid] = time.process_time() - began
        if session.testsfailed:
            sys.exit("the tests fail without any change")
        self._items = sorted(self._items, key=lambda each: self._seconds[each.nodeid])
        self._run(self)
        return True

    def is_killed(self, path: Path, code: CodeType, plain: CodeType) -> bool:
        """Try a mutant."""
        changed = changed_function(plain, code)
        function = living(path, changed[0]) if changed else None
        if changed is None or function is None:
            return is_killed_by(partial(import_and_run, path, code))
        callers = self._callers[str(path), function.__code__.co_qualname]
        if is_killed_by(partial(self._swap_and_run, callers, function, changed[1])):
            return True
        return IMPORT in callers and is_killed_by(partial(import_and_run, path, code))

    def _swap_and_run(
        self, callers: Collection[str], function: FunctionType, code: CodeType
    ) -> int:
        function.__code__ = code
        for item in self._items:
            if item.nodeid in callers or item.path in SLOW:
                allow_cpu(TIMES_SLOWER * self._seconds[item.nodeid] + 1)
                run_item(item)
                if item.session.testsfailed:
                    return 1
        return 0

    @contextmanager
    def _noting(self, caller: str) -> Iterator[None]:
        """Note which functions of the planner are called, unless no caller is given."""

        def note(frame: FrameType, event: str, _: object) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(folder):
                self._callers[code.co_filename, code.co_qualname].add(caller)

        folder = str(PLAN)
        sys.setprofile(note if caller else None)
        try:
            yield
        finally:
            sys.setprofile(None)


def run_item(item: pytest.Item) -> None:
    """Run one collected test with all that it needs."""
    item.ihook.pytest_runtest_protocol(item=item, nextitem=None)


def try_all(chosen: str, expected: Mapping[str, str], alive: set[str], bench: Bench) -> int:
    """Try every mutant whose name contains `chosen`; add to `alive`, and return how many."""
    count = 0
    for path in sorted(PLAN.glob("*.py")):
        plain = compile(path.read_text(encoding="utf-8"), str(path), "exec")
        for name, code in mutants(path):
            if chosen in name:
                count += 1
                if not bench.is_killed(path, code, plain):
                    alive.add(name)
                    print(" " if name in expected else "!", name, flush=True)
    return count


def main() -> int:
    """Try the mutants whose name contains the argument; return 0 if all is as it should be."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["reasons"]
    expected = {name: reason for name, reason in listed.items() if chosen in name}
    alive = set[str]()
    counts: list[int] = []
    began = time.monotonic()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    bench = Bench(lambda bench: counts.append(try_all(chosen, expected, alive, bench)))
    pytest.main([*OPTIONS, *map(str, sorted(TESTS))], plugins=[bench])
    for name in sorted(expected.keys() - alive):
        print("listed, but killed or no more:", name)
    took = time.monotonic() - began
    print(f"{sum(counts)} mutants, {len(alive)} alive, {len(expected)} listed, {took:.0f} s")
    return int(not counts or alive != expected.keys())


if __name__ == "__main__":
    sys.exit(main())
