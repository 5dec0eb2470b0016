"""What all tests share: how hypothesis looks for counterexamples.

`HYPOTHESIS_PROFILE=long` looks harder, and elsewhere each time; the default is the same each time.
"""

import os

from hypothesis import HealthCheck, settings

_SLOW_HOST = (HealthCheck.too_slow,)

settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, suppress_health_check=_SLOW_HOST
)
settings.register_profile(
    "long", max_examples=2000, deadline=None, database=None, suppress_health_check=_SLOW_HOST
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
