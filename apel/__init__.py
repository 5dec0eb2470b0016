"""Accounting: from a machine's run to an APEL record in a queue that ssmsend empties."""
