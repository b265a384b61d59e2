"""The model card of a trained detector: data, training and scores."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookdex.training.mixture import FLATS, Mixture
from lookdex.training.network import label_numbers
from lookdex.training.scores import POINTS, Detected

WEAK = 0.5  # AP50
COUNTED = {
    "photos": "photos with boxes",
    "looks": "rendered looks",
    "tagged": "with boxes generated from their tags by an earlier detector",
    "catalogue": "rendered catalogue photos",
    "garments": "photos of one garment",
}


@dataclass(frozen=True, slots=True)
class Card:
    """Texts of the model card."""

    name: str = "detector"
    about: str = ""
    """Description of the photos."""
    licence: str = ""
    """Of the weights."""


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """Statistics of the training."""

    minutes: float
    steps: int
    windows: int
    """Photo windows seen."""
    settings: Mapping[str, object]
    """Noteworthy settings by name."""


def write_card(
    folder: Path,
    card: Card,
    summary: TrainingSummary,
    config: Mapping[str, Any],
    mixture: Mixture,
    held_out: Mapping[str, Detected],
    curve: Sequence[Mapping[str, Any]],
) -> None:
    """Write README.md into a detector's folder.

    Args:
        curve: log lines of kind 'held'.
    """
    parts = [
        f"# {card.name}",
        f"Finds {', '.join(label_numbers(config))}.",
        *_facts(card, summary, config, mixture, (folder / "model.safetensors").stat().st_size),
    ]
    if held_out:
        parts += ["## Held-out photos", _scores(held_out), _points(held_out, config.get("min_score"))]
    if curve:
        parts += ["## Learning curve", _curve(curve)]
    (folder / "README.md").write_text("\n\n".join(parts) + "\n")


def _facts(
    card: Card, summary: TrainingSummary, config: Mapping[str, Any], mixture: Mixture, size: int
) -> list[str]:
    counts = [f"{len(s):,} {COUNTED[name]}" for name, s in mixture.train.items() if s and name in COUNTED]
    masks = sum(scene.mask is not None for scene in mixture.all())
    if masks:
        counts.append(
            f"masks of {masks:,} of them" + (", objects cut out by masks" if FLATS in mixture.train else "")
        )
    objects = Counter(label for scene in mixture.all() for label in scene.labels)
    arguments = ", ".join(f"{name} {value}" for name, value in config.get("arguments", {}).items())
    settings = ", ".join(f"{name} {value}" for name, value in summary.settings.items())
    facts = {
        "Network": f"`{config['builder']}` ({arguments}); {size / 1e6:.1f} MB in float16",
        "Training data": "; ".join(counts) + (f". {card.about}" if card.about else ""),
        "Boxes": ", ".join(f"{label} {count:,}" for label, count in objects.most_common()),
        "Training": f"`jobs/train_detector.py`, {summary.minutes:.0f} minutes, {summary.steps:,} steps, "
        f"{summary.windows:,} windows "
        f"of photos ({settings})",
        "Licence": card.licence or "not stated",
    }
    lines = [f"- **{name}**: {text.removesuffix('.')}." for name, text in facts.items()]
    return [
        "\n".join(textwrap.fill(line, 118, subsequent_indent="  ", break_on_hyphens=False) for line in lines)
    ]


def _scores(held_out: Mapping[str, Detected]) -> str:
    whole = {name: detected.ap() for name, detected in held_out.items()}
    labels = sorted({label for score in whole.values() for label in score.by_category})
    rows = [
        f"| {label} | " + " | ".join(
            f"{s.by_category[label].ap50:.2f} ({s.by_category[label].objects})" if label in s.by_category else ""
            for s in whole.values()
        ) + " |"
        for label in labels
    ]  # fmt: skip
    text = [
        "Average precision at IoU 0.5 (number of objects), COCO protocol:",
        "",
        f"| | {' | '.join(f'{name}, {s.photos} photos' for name, s in whole.items())} |",
        "|---|" + "---|" * len(whole),
        *rows,
        f"| **mean** | {' | '.join(f'**{s.ap50:.3f}**' for s in whole.values())} |",
    ]
    weak = {
        name: [label for label, value in score.by_category.items() if value.ap50 < WEAK]
        for name, score in whole.items()
    }
    text += ["", *(f"Weak on {name}: {', '.join(found)}." for name, found in weak.items() if found)]
    return "\n".join(text)


def _points(held_out: Mapping[str, Detected], min_score: float | None) -> str:
    lines = [
        "Recall, and false positives per photo, by `min_score`:",
        "",
        f"| min_score | {' | '.join(held_out)} |",
        "|---|" + "---|" * len(held_out),
    ]
    for point in POINTS[2:11:2]:
        scores = [detected.at(point) for detected in held_out.values()]
        lines.append(f"| {point} | {' | '.join(f'{s.found:.2f}, {s.wrong:.1f}' for s in scores)} |")
    if min_score is not None:
        lines += ["", f"The model's default `min_score` is {min_score}."]
    return "\n".join(lines)


def _curve(curve: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(line["source"] for line in curve))
    at: dict[int, dict[str, float]] = {}
    for line in curve:
        at.setdefault(round(line["seconds"] / 60), {})[line["source"]] = line["ap50"]
    lines = [f"| minutes | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [
        f"| {minutes} | {' | '.join(f'{row[n]:.3f}' if n in row else '' for n in names)} |"
        for minutes, row in sorted(at.items())
    ]
    return "AP50 of the averaged weights:\n\n" + "\n".join(lines)


def read_curve(run: Path) -> list[dict[str, Any]]:
    """Read the held-out lines of a run's log."""
    path = run / "curve.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if line["kind"] == "held"]
