"""The frozen records that the stages share. Schemas of the tables are in `catalog.schemas`.

Boxes are in whole pixels of the upright photo (EXIF orientation applied), with x1 and y1 exclusive. Vectors are float32
of unit length; similarity is the cosine. Ranges of fields are checked when a record is read (see `catalog.json_codec`).
"""

from lookdex.records.photos import (
    NO_LOSS,
    Box,
    Change,
    Detection,
    ImageRef,
    Reason,
    Role,
    Scope,
    Skip,
    SkippedKeys,
    Status,
    Swatch,
    item_id,
)
from lookdex.records.plan import ColumnChange, PlanSummary, Unlisted
from lookdex.records.recipe import DECODING, RECIPE_FORMAT, Recipe, hash_json
from lookdex.records.release import CheckResult, IndexParameters, LiveEntry, Release
from lookdex.records.shards import Example, Shard, ShardFailure, ShardReport, StoredFile
from lookdex.records.thresholds import Threshold, Thresholds, Trust

__all__ = [
    "DECODING",
    "NO_LOSS",
    "RECIPE_FORMAT",
    "Box",
    "Change",
    "CheckResult",
    "ColumnChange",
    "Detection",
    "Example",
    "ImageRef",
    "IndexParameters",
    "LiveEntry",
    "PlanSummary",
    "Reason",
    "Recipe",
    "Release",
    "Role",
    "Scope",
    "Shard",
    "ShardFailure",
    "ShardReport",
    "Skip",
    "SkippedKeys",
    "Status",
    "StoredFile",
    "Swatch",
    "Threshold",
    "Thresholds",
    "Trust",
    "Unlisted",
    "hash_json",
    "item_id",
]
