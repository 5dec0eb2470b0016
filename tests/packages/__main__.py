"""Says what `make packages` needs and this host lacks, before minutes are spent on building."""

import sys

from tests.packages import lacking

sys.exit(lacking() or None)
