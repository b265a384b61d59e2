"""Fine-tune an open_clip model on a shop's own catalogue; see lookdex/training/embedder/finetune.py.

    python jobs/train_embedder.py --catalog s3://shop/lookdex --text '{title}' --out models/mine --minutes 60
    python jobs/train_embedder.py --images photos --items items.csv --label label --model hf-hub:… --out models/mine

lookdex-tiny's own embedder is trained by `python -m lookdex_tiny embedder`.
"""

from __future__ import annotations

from lookdex.cli.train_embedder import main

if __name__ == "__main__":
    main(prog_name="train_embedder.py")
