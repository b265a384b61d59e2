"""Train the shipped embedder; see lookdex/training/embedder.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from lookdex.training.embedder import Settings, train
from lookdex.training.refine import look, refine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model: config, weights")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and learning curves")
    parser.add_argument("--data", type=Path, required=True, help="folder with ccp/ and clothing/")
    parser.add_argument(
        "--rendered", type=Path, required=True, help="made by python -m lookdex.training.rendered"
    )
    parser.add_argument("--rendered-seed", type=int, default=1_000_000, help="the seed it was made with")
    parser.add_argument("--held", type=Path, required=True, help="the same with another seed, to measure on")
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--rate", type=float, default=1.2e-3, help="peak learning rate")
    parser.add_argument(
        "--start", type=Path, help="a trained model's folder to go on from (default: ImageNet)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--look-seconds", type=float, default=240, help="at crops for the last part")
    parser.add_argument("--only", choices=["train", "look", "refine"], help="one part; the others have run")
    options = vars(parser.parse_args())
    seconds, only = options.pop("look_seconds"), options.pop("only")
    settings = Settings(**options)
    if only in (None, "train"):
        train(settings)
    if only in (None, "look"):
        look(settings, seconds)
    if only in (None, "refine"):
        refine(settings)


if __name__ == "__main__":
    main()
