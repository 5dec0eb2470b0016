"""How the database becomes what schema.py says, from any version that was ever released.

A new version: copy the newest file in versions/, give it the next number and `down_revision`, set
REVISION in schema.py, and add tests/data/store-NUMBER.json with rows as that version wrote them.
A file that was released is never edited. There is no way down: the backup that was made before
the upgrade is restored.
"""
