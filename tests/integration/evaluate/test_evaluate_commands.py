"""`lookdex evaluate`, from photos to figures, with the fakes as models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from lookdex.cli.evaluate import evaluate
from lookdex.cli.evaluate.common import resolve_models
from lookdex.config import NightSettings
from lookdex.errors import ConfigError
from lookdex.evaluate.report import table
from tests.fakes import COLOURS
from tests.support import verbs
from tests.support.verbs import FAKES


def run(*arguments: str | Path) -> Result:
    return verbs.run("evaluate", *map(str, arguments))


def figures_of(folder: Path, verb: str, *options: str | Path) -> dict[str, Any]:
    """Evaluate the photos of a folder with the fakes."""
    photos = ("--images", folder / "images", "--items", folder / "items.csv")
    done = run(verb, *photos, "--json", folder / "out.json", *FAKES, *options)
    assert done.exit_code == 0, done.output
    figures: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return figures


def scene(path: Path, *things: tuple[str, int, int, int, int]) -> None:
    pixels = np.full((100, 100, 3), 235, np.uint8)
    for colour, x0, y0, x1, y1 in things:
        pixels[y0:y1, x0:x1] = COLOURS[colour]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Four red and two blue photos. The red of sender 1 is in another place than that of sender 2."""
    rows = ["image,label,sender"]
    for number, (colour, sender, at) in enumerate(
        [("red", 1, 10), ("red", 1, 10), ("red", 2, 40), ("red", 2, 40), ("blue", 1, 10), ("blue", 2, 10)]
    ):
        scene(tmp_path / f"images/{number}.png", (colour, at, at, at + 50, at + 50))
        rows.append(f"{number},{colour},{sender}")
    (tmp_path / "items.csv").write_text("\n".join([*rows, ""]))
    return tmp_path


def test_retrieval_figures(plain: Path) -> None:
    done = run("retrieval", "--images", plain / "images", "--items", plain / "items.csv", "--exclude-same", "sender",
               "--json", plain / "out.json", *FAKES)  # fmt: skip
    assert done.exit_code == 0, done.output
    figures = json.loads((plain / "out.json").read_text())
    # The red of another sender is nearer than blue, and the two blue photos find each other.
    assert (figures["queries"], figures["gallery"], figures["unanswerable"]) == (6, 6, 0)
    assert figures["by_label"]["blue"] == {"recall@1": 1.0, "queries": 2}
    assert figures["recall@5"] == figures["recall@10"] == 1.0
    assert 0 < figures["mAP"] <= 1
    assert figures["recall@1_interval"][0] <= figures["recall@1"] <= figures["recall@1_interval"][1]
    assert figures["embedder"] == "python:tests.fakes:embedder"
    assert "| Recall@1 " in done.output


def test_detected_crops_do_not_depend_on_position(plain: Path) -> None:
    figures = figures_of(plain, "retrieval", "--exclude-same", "sender", "--crop", "detected")
    assert figures["recall@1"] == 1.0


def test_retrieval_with_a_file_of_queries(plain: Path) -> None:
    (plain / "queries.csv").write_text("image,label\n2,red\n4,blue\n5,green\n")
    figures = figures_of(plain, "retrieval", "--queries", plain / "queries.csv")
    assert (figures["queries"], figures["unanswerable"]) == (2, 1)
    assert figures["recall@1"] == 1.0


def test_unreadable_photo_is_skipped_and_reported(plain: Path) -> None:
    (plain / "images/1.png").write_bytes(b"not a photo")
    figures = figures_of(plain, "retrieval")
    assert figures["unreadable"] == [str(plain / "images/1.png")]
    assert figures["gallery"] == 5


def test_labels_without_pairs_are_an_error(plain: Path) -> None:
    done = run(
        "retrieval", "--images", plain / "images", "--items", plain / "items.csv", "--label", "image", *FAKES
    )
    assert done.exit_code == 2
    assert "no query has an answer" in done.output


def test_detection_figures(tmp_path: Path) -> None:
    scene(tmp_path / "images/a.png", ("red", 10, 10, 50, 50), ("blue", 60, 60, 90, 90))
    scene(tmp_path / "images/b.png", ("magenta", 5, 5, 60, 60))
    coco = {
        "images": [
            {"id": n, "file_name": f"{name}.png", "width": 100, "height": 100} for n, name in enumerate("ab")
        ],
        "categories": [{"id": 1, "name": "shirt"}, {"id": 2, "name": "shoes"}, {"id": 3, "name": "hat"}],
        "annotations": [
            {"image_id": 0, "category_id": 1, "bbox": [10, 10, 40, 40]},
            {"image_id": 0, "category_id": 2, "bbox": [60, 60, 30, 30]},
            {"image_id": 1, "category_id": 3, "bbox": [5, 5, 55, 55]},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    done = run("detection", "--images", tmp_path / "images", "--coco", tmp_path / "boxes.json",
               "--json", tmp_path / "out.json", *FAKES[:2])  # fmt: skip
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["by_category"]["top"]["AP50"] == pytest.approx(1.0)
    assert figures["by_category"]["hat"]["AP50"] == 0.0  # the fake calls magenta a bag
    assert figures["found"] == pytest.approx(2 / 3)
    assert figures["wrong_per_photo"] == 0.5
    assert (figures["photos"], figures["objects"]) == (2, 3)


def test_models_option_names_a_pair_a_folder_or_one_model(tmp_path: Path) -> None:
    config = NightSettings(detector="d", embedder="e")
    assert resolve_models(None, config) == ("d", "e")
    assert resolve_models("lookdex-tiny", config) == ("lookdex-tiny", "lookdex-tiny")
    assert resolve_models("hf-hub:org/model", config) == ("d", "hf-hub:org/model")
    assert resolve_models("transformers:org/model", config) == ("transformers:org/model", "e")
    for name, content in {
        "both/detector/config.json": '{"builder": "x"}',
        "both/embedder/open_clip_config.json": "{}",
        "one/config.json": '{"architectures": []}',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content)
    both, one = tmp_path / "both", tmp_path / "one"
    assert resolve_models(str(both), config) == (f"torchvision:{both / 'detector'}", str(both / "embedder"))
    assert resolve_models(str(one), config) == (f"transformers:{one}", "e")
    with pytest.raises(ConfigError, match="has no model"):
        resolve_models(str(tmp_path), config)


def test_tables_are_printed_as_markdown() -> None:
    assert table(["a", "bb"], [["long", "1"]]) == "| a    | bb |\n| ---- | -: |\n| long |  1 |"


def test_retrieval_draws_confusions_and_worst_cases(plain: Path) -> None:
    text = (plain / "items.csv").read_text()
    (plain / "items.csv").write_text(text.replace("0,red", "0,blue"))  # a red photo labelled as blue
    done = run("retrieval", "--images", plain / "images", "--items", plain / "items.csv", "--pictures",
               plain / "drawn", "--markdown", plain / "out.md", *FAKES)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "| Recall@1 " in (plain / "out.md").read_text()
    for name in ("confusion", "worst"):
        with Image.open(plain / f"drawn/{name}.png") as sheet:
            assert min(sheet.size) > 200


def test_zero_shot_figures(plain: Path) -> None:
    options = ("--template", "{}", "--pictures", plain / "drawn", "--crop", "detected")
    figures = figures_of(plain, "zero-shot", *options)
    assert (figures["accuracy"], figures["photos"], figures["confused"]) == (1.0, 6, [])
    assert figures["by_class"]["red"] == {"recall": 1.0, "precision": 1.0, "photos": 4}
    assert (plain / "drawn/confusion.png").stat().st_size > 1000
    (plain / "names.csv").write_text("label,name\nred,blue\nblue,red\n")  # swapped names
    swapped = figures_of(plain, "zero-shot", "--template", "{}", "--names", plain / "names.csv")
    assert swapped["confused"] == [["red", "blue", 4], ["blue", "red", 2]]
    (plain / "names.csv").write_text("label,name\nred,blue\n")
    done = run("zero-shot", "--images", plain / "images", "--items", plain / "items.csv",
               "--names", plain / "names.csv", *FAKES)  # fmt: skip
    assert done.exit_code == 2
    assert "names no 'blue'" in done.output


def test_text_retrieval_in_both_directions(plain: Path) -> None:
    figures = figures_of(plain, "text", "--text", "label")
    assert (figures["texts"], figures["images"]) == (2, 6)
    assert figures["text_to_image"]["recall@1"] == 1.0
    assert figures["image_to_text"]["queries"] == 6


def test_text_queries_need_enough_matching_photos(plain: Path) -> None:
    figures = figures_of(plain, "text", "--from", "label", "-k", "3")
    assert (figures["precision@3"], figures["queries"], figures["too_few_answers"]) == (1.0, 1, 1)
    (plain / "queries.csv").write_text("text,sender\nred,nobody\n")
    done = run("text", "--images", plain / "images", "--items", plain / "items.csv", "--queries",
               plain / "queries.csv", "-k", "1", "--embedder", "/nowhere")  # fmt: skip
    assert done.exit_code == 2  # before any model is loaded
    assert "no photo of" in done.output
    (plain / "queries.csv").write_text("text,sender\nred,1\n")
    by_sender = figures_of(plain, "text", "--queries", plain / "queries.csv", "-k", "2")
    assert by_sender["by_query"][0]["right"] == 3
    for options, message in [
        (("--from", "label", "-k", "5"), "the most is 4: use -k 4 or smaller"),
        (("--from", "label", "--text", "label"), "Give one of"),
        (("--from", "label", "--language", "ko"), "give no query in 'ko'"),
    ]:
        done = run("text", "--images", plain / "images", "--items", plain / "items.csv", *options, *FAKES)
        assert done.exit_code == 2
        assert message in done.output


@pytest.mark.parametrize("name", list(evaluate.commands))
def test_every_verb_and_option_has_help(name: str) -> None:
    verb = evaluate.commands[name]
    assert verb.help
    for option in verb.params:
        assert isinstance(option, click.Option)
        assert option.help or option.name == "help", f"{name} {option.opts[0]} has no help"
    assert run(name, "--help").exit_code == 0
