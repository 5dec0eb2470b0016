"""What authors of spaces need to test them: the contract suite and clocks that tests move."""
