"""`make demo`: the whole manager at work on this machine, in two minutes, for all to see."""
