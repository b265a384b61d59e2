"""Allowed ranges of fields and arguments, checked when records and arguments are read.

Lance and pyarrow count in 64 bits; sizes of vectors and of parts of an index have 32.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

INT32, INT64 = 2**31 - 1, 2**63 - 1
MAX_SECONDS = 10_000_000  # four months: longer than any wait, and far below the limits of clocks and timers

Count = Annotated[int, Field(ge=0, le=INT64)]
Size = Annotated[int, Field(ge=1, le=INT64)]
SmallCount = Annotated[int, Field(ge=0, le=INT32)]
SmallSize = Annotated[int, Field(ge=1, le=INT32)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
PositiveSeconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
# Leaves room for arithmetic in any time zone.
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))
]
Name = Annotated[str, Field(min_length=1)]
SourceAccess = Annotated[str, Field(pattern="^(signed|anonymous|requester-pays)$")]  # a `storage.Signing`
