"""Where accounting records can go: the contract of a sink, and those that are ours."""
