"""Contact sheets for checking training data: photos with their boxes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lookdex.training.scenes import Scene
from lookdex.training.sources import read

CELL = (240, 160)  # height, width
COLUMNS = 12


def contact_sheet(scenes: Sequence[Scene]) -> bytes:
    """A PNG of scenes with their boxes and labels."""
    cells = [_cell(scene) for scene in scenes]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    return cv2.imencode(".png", np.vstack(rows)[:, :, ::-1])[1].tobytes()


def _cell(scene: Scene) -> np.ndarray:
    image = read(scene.path)
    scale = min(CELL[0] / image.shape[0], CELL[1] / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for (x0, y0, x1, y1), label in zip((scene.boxes * scale).astype(int), scene.labels, strict=True):
        cv2.rectangle(small, (int(x0), int(y0)), (int(x1) - 1, int(y1) - 1), (230, 0, 0), 1)
        cv2.putText(
            small,
            label,
            (int(x0) + 2, int(y0) + 10),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.33,
            (0, 0, 230),
            1,
            cv2.LINE_AA,
        )
    cell = np.full((*CELL, 3), 255, np.uint8)
    cell[: small.shape[0], : small.shape[1]] = small[: CELL[0], : CELL[1]]
    return cell
