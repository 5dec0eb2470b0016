"""The fault suite: histories of a manager and its clouds in which much goes wrong, then audited.

    python -m tests.faults --simulated 200 --live 12    # as `make test-faults` does
    python -m tests.faults 4711                         # one history again, step by step

A history follows from its seed. The simulated ones are played in one process on simulated time:
the real cycle, store, tree and queue on the simulated OpenStack. The live ones are played with
real processes on a clock that goes faster. What each kind of fault does stands in `kinds` and
`live_kinds`, how a history is judged in `tests/auditor.py`.
"""
