"""The manager's house: what is removed once it is old, and how much room there is and is used.

disks      how much is free where the manager writes, and why that may be too little
keeper     removes what is old, now and then, in a thread of its own
ledger     what takes up how much, for `vcycle disk`
"""
