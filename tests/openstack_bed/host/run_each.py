"""Run a program of OpenStack several times, one after the other, loading its modules once.

    run_each.py nova.cmd.manage --config-file=nova.conf -- api_db sync -- db sync

Loading them takes longer than the work. Ends with the status of the first that fails, as a shell
with `set -e` does.
"""

import importlib
import itertools
import os
import sys


def main() -> None:
    """Run what the command line says."""
    module, common, *runs = _parts(sys.argv[1:])
    program = importlib.import_module(module[0])
    for arguments in runs:
        child = os.fork()
        if child == 0:
            sys.argv = [module[0], *common, *arguments]
            sys.exit(program.main())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            sys.exit(f"{' '.join(arguments)}: ended with {status}")


def _parts(words: list[str]) -> list[list[str]]:
    """Return the module, then what lies between the `--`."""
    groups = itertools.groupby(words[1:], key=lambda word: word == "--")
    return [words[:1], *(list(group) for is_mark, group in groups if not is_mark)]


if __name__ == "__main__":
    main()
