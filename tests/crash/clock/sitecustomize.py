"""For processes under faketime with a true monotonic clock.

libfaketime 0.9.10 answers EINVAL to the absolute ``clock_nanosleep`` on which ``time.sleep``
stands; ``select`` waits as long and is left alone.
"""

from __future__ import annotations

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
