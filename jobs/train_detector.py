"""Train the shipped detector; see lookdex/training/detector.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from lookdex.training.detector import Settings, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model: config, weights")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and learning curves")
    parser.add_argument("--data", type=Path, required=True, help="folder with ccp/ and clothing/")
    parser.add_argument(
        "--rendered", type=Path, required=True, help="made by python -m lookdex.training.rendered"
    )
    parser.add_argument("--held", type=Path, required=True, help="the same with another seed, to measure on")
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate")
    parser.add_argument(
        "--start", type=Path, help="a trained model's folder to go on from (default: ImageNet)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    train(Settings(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
