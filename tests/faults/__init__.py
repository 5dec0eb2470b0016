"""The fault suite: histories of a manager and its clouds in which much goes wrong, then audited.

    python -m tests.faults --histories 300 --processes 16     # what `make test-faults` does
    python -m tests.faults 4711                               # one history again, step by step

A history follows from its seed. Those of `history` are played in this process on simulated time:
the real cycle, store, tree and queue on the simulated OpenStack. Those of `processes` are played
with real processes on a clock that goes faster. What each kind of fault does stands in `kinds` and
`process_kinds`, how it is judged in `tests/auditor.py`.
"""
