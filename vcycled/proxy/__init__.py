"""X.509 proxies: what a machine is given so that it can act for its community for a while.

`Credentials.read` checks what the site put into a machinetype's folder, `Mint.proxy` makes one
proxy from it (RFC 3820, limited). Nothing here touches a file, and nothing of it is ever logged.

# Note [One key for ten minutes]

A key of 2048 bits takes 60 ms to make and one from a file 50 ms to judge, a certificate 1 ms.
Filling a space of ten thousand processors would cost ten minutes of a processor for keys alone,
in the thread that must ask for the machines. So the machines of one machinetype that are made
within ten minutes share a private key, and a file is judged again only when it has changed. Each
machine has a certificate, a serial number and an end of its own. They hold the same rights
anyway: whoever has one of them gains nothing by the others.
"""

from vcycled.proxy.credentials import CERTIFICATE, KEY, Credentials
from vcycled.proxy.mint import Mint

__all__ = ["CERTIFICATE", "KEY", "Credentials", "Mint"]
