"""Train a detector on your own photos with boxes; see lookdex/training/detector.py.

    python jobs/train_detector.py --coco boxes.json --images photos --start models/other --out models/mine --minutes 60
    torchrun --nproc-per-node 4 -- jobs/train_detector.py --device cuda --coco boxes.json --images photos --out mine

lookdex-tiny's own detector is trained by `python -m lookdex_tiny detector`.
"""

from __future__ import annotations

from lookdex.cli.train_detector import main

if __name__ == "__main__":
    main(prog_name="train_detector.py")
