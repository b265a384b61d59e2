"""What fields of stored records and arguments may hold: checked where these are read, so that nothing else has to.

Lance and pyarrow count in 64 bits, and sizes of vectors and parts of an index in 32.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

INT32, INT64 = 2**31 - 1, 2**63 - 1
MAX_SECONDS = 10_000_000  # four months: more than any wait, and far less than clocks and timers can hold

Count = Annotated[int, Field(ge=0, le=INT64)]
Size = Annotated[int, Field(ge=1, le=INT64)]
SmallCount = Annotated[int, Field(ge=0, le=INT32)]
SmallSize = Annotated[int, Field(ge=1, le=INT32)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
# With room for arithmetic in any time zone.
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))
]
Name = Annotated[str, Field(min_length=1)]
SourceAccess = Annotated[str, Field(pattern="^(signed|anonymous|requester-pays)$")]  # a `storage.Signing`
