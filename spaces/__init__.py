"""One module for each cloud API, behind the contract in base.py."""
