"""Fine-tuning an open_clip model on a shop's products, end to end with generated pictures."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from lookdex.cli.train_embedder import main
from lookdex.errors import ConfigError
from lookdex.models.embed import load_embedder, open_model
from lookdex.storage import open_store
from lookdex.training.embedder import shop
from lookdex.training.embedder.drawing import open_source
from lookdex.training.embedder.finetune import Settings, finetune, open_shop, split
from lookdex.training.embedder.fit import Batch, Options
from lookdex.training.embedder.losses import CrossBatchMemory, Heads, caption_loss, pair_loss
from lookdex.training.embedder.shop import Part, Picture, Shop, move_to_file
from tests.fakes import COLOURS
from tests.support.catalogs import publish, stock


def thing(number: int, view: int = 0) -> np.ndarray:
    """A picture of a product: two colours, chosen by its number, on white."""
    names = list(COLOURS)
    pixels = np.full((60, 48, 3), 250, np.uint8)
    pixels[6:30, 6:42] = COLOURS[names[number % 6]]
    pixels[30:54, 6:42] = COLOURS[names[number // 6 % 6]]
    darker: np.ndarray = np.clip(pixels.astype(int) - 12 * view, 0, 255)
    return darker.astype(np.uint8)


def as_file(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pictures(products: int = 24, views: int = 2) -> list[Picture]:
    return [
        Picture(
            f"p{n}", as_file(thing(n, v)), (f"{list(COLOURS)[n % 6]} thing",),
            label=list(COLOURS)[n % 6], category="even" if n % 2 == 0 else "odd",
        )
        for n in range(products) for v in range(views)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip folder with random weights: a ViT for 32 × 32 pixels."""
    folder = tmp_path_factory.mktemp("model")
    config = {
        "model_cfg": {
            "embed_dim": 16,
            "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
            "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
        },
        "preprocess_cfg": {
            "size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "longest", "fill_color": 255,
            "interpolation": "bicubic", "mode": "RGB",
        },
        "lookdex_cfg": {"crop_margin": 0.1, "lower_case": True},
    }  # fmt: skip
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


# ---------------------------------------------------------------- batches


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 4))
def test_batch_has_two_pictures_of_each_product(seed: int, views: int, categories: int) -> None:
    generated = Shop(
        pictures(24, views), lambda picture, rng: picture, np.random.default_rng(seed), 6, categories
    )
    batch = generated.batch(0.5)
    n = len(batch.pictures) // 2
    assert n == 6
    np.testing.assert_array_equal(batch.instance[:n], batch.instance[n:])
    assert len(set(batch.instance[:n].tolist())) == n
    assert batch.captions[:n] == batch.captions[n:]
    for half in range(2):
        for i in range(n):
            number = int(batch.instance[i])
            assert generated.labels[batch.label[i + half * n]] == list(COLOURS)[number % 6]
            assert generated.categories[batch.category[i]] == ("even" if number % 2 == 0 else "odd")
    if views > 1:  # with several pictures of a product, two different ones
        (stack,) = batch.pictures.stacks
        shown = stack[batch.pictures.order]
        assert all((shown[i] != shown[i + n]).any() for i in range(n))
    if categories == 1:  # negatives are of the same category
        assert len(set(batch.category.tolist())) == 1


def test_too_few_products_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 products to train on"):
        Shop(pictures(2), lambda picture, rng: picture, np.random.default_rng(0))


@given(st.integers(2, 300), st.floats(0, 0.9))
def test_held_out_products_are_never_trained_on(products: int, held: float) -> None:
    all_pictures = [Picture(f"p{n}", b"") for n in range(products) for _ in range(2)]
    learn, judge = split(all_pictures, held)
    assert {p.product_id for p in learn}.isdisjoint(p.product_id for p in judge)
    assert len(learn) + len(judge) == len(all_pictures)
    assert len(judge) == 2 * round(held * products)


def test_pictures_are_read_from_the_crops_of_a_release(tmp_path: Path) -> None:
    store = open_store(tmp_path / "catalog")
    publish(store, "r1", stock())
    found = shop.read_release(str(tmp_path / "catalog"), ["{title} for {price}", "{label}"], "colour")
    assert len({p.product_id for p in found}) == 12
    first = found[0]
    assert first.load().ndim == 3
    assert len(first.texts) == 2
    assert " for " in first.texts[0]
    assert first.label
    assert {bool(p.category) for p in found} == {
        True,
        False,
    }  # crops of objects have one, whole photos have none
    with pytest.raises(ConfigError, match=r"no column 'nmae'; it has .*title"):
        shop.read_release(str(tmp_path / "catalog"), ["{nmae}"], None)


def test_pictures_moved_to_one_file_are_unchanged(tmp_path: Path) -> None:
    alone = tmp_path / "alone.png"
    alone.write_bytes(as_file(thing(5)))
    originals = [*pictures(3), Picture("p9", alone, label="red")]
    moved = move_to_file(originals, tmp_path / "run" / "pictures.bin")
    assert [type(p.file) for p in moved] == [Part] * 6 + [type(alone)]
    for before, after in zip(originals, moved, strict=True):
        np.testing.assert_array_equal(after.load(), before.load())
        assert replace(after, file=before.file) == before


def test_batches_of_worker_processes_are_reproducible(small_model: Path, tmp_path: Path) -> None:
    chosen = Settings(str(small_model), tmp_path / "mine", tmp_path / "run", pairs=4)
    stored = move_to_file(pictures(), tmp_path / "pictures.bin")
    make = partial(open_shop, stored, open_model(str(small_model)).preprocess, chosen)

    def drawn() -> list[Batch]:
        with open_source(make, 2) as source:
            return [source.batch(0.5) for _ in range(4)]

    def same(left: Batch, right: Batch) -> bool:
        (left_pixels,), (right_pixels,) = left.pictures.stacks, right.pictures.stacks
        return left.captions == right.captions and torch.equal(left_pixels, right_pixels)

    first, second = drawn(), drawn()
    assert all(same(*both) for both in zip(first, second, strict=True))
    assert not same(first[0], first[1])  # each process has its own random state
    local = make(0)  # the batches of the first process, drawn here
    assert [same(local.batch(0.5), batch) for batch in first[::2]] == [True, True]


# ---------------------------------------------------------------- losses


def unit(rows: list[list[float]]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows).float(), dim=1)


def test_loss_of_matching_pairs_is_small() -> None:
    instances, none = torch.tensor([0, 1, 0, 1]), -torch.ones(4, dtype=torch.int64)
    weight, memory = torch.ones(4), CrossBatchMemory(2)
    good = unit([[1, 0], [0, 1], [1, 0.1], [0.1, 1]])
    bad = unit([[1, 0], [0, 1], [0.1, 1], [1, 0.1]])
    assert pair_loss(good, instances, none, weight, memory) < 0.01
    assert pair_loss(bad, instances, none, weight, memory) > 5
    one_label = torch.zeros(4, dtype=torch.int64)  # pictures with the same label are not negatives
    assert pair_loss(bad, instances, one_label, weight, memory) == pytest.approx(0)


def test_memory_adds_negatives_but_not_the_product_itself() -> None:
    z, numbers, weight = unit([[1, 0], [0, 1], [1, 0.2], [0.2, 1]]), torch.tensor([0, 1, 0, 1]), torch.ones(4)
    none, free = -torch.ones(4, dtype=torch.int64), -torch.ones(1, dtype=torch.int64)
    alone = pair_loss(z, numbers, none, weight, CrossBatchMemory(2))
    same_product, other_product = CrossBatchMemory(2), CrossBatchMemory(2)
    same_product.add(unit([[1, 0.05]]), torch.tensor([0]), free)
    other_product.add(unit([[1, 0.05]]), torch.tensor([7]), free)
    # A product in the memory is ignored for its own pictures, and a distant negative for the others.
    assert pair_loss(z, numbers, none, weight, same_product) == pytest.approx(float(alone), abs=1e-3)
    assert pair_loss(z, numbers, none, weight, other_product) > alone + 0.3


def test_caption_loss_with_shared_captions() -> None:
    z, texts = unit([[1, 0], [1, 0.1], [0, 1]]), unit([[1, 0], [0, 1]])
    right = caption_loss(z, texts, torch.tensor([0, 0, 1]), torch.tensor(20.0))
    wrong = caption_loss(z, texts, torch.tensor([1, 1, 0]), torch.tensor(20.0))
    assert right < 0.5 < 5 < wrong


def test_pictures_without_a_label_do_not_count_in_the_class_loss() -> None:
    torch.manual_seed(0)
    heads, z, none = Heads(3, 2, 2), unit([[1, 0], [0, 1]]), torch.tensor([-1, -1])
    assert float(heads.classes(z, none, none).detach()) == 0
    labelled = heads.classes(z, torch.tensor([2, -1]), none)
    assert float(labelled.detach()) == pytest.approx(
        float(heads.classes(z[:1], torch.tensor([2]), none[:1]).detach())
    )


# ---------------------------------------------------------------- end to end


def test_finetuned_model_is_written_in_hub_layout_and_resumed(small_model: Path, tmp_path: Path) -> None:
    chosen = Settings(
        str(small_model), tmp_path / "mine", tmp_path / "run", held=0.25, pairs=6, licence="CC0-1.0",
        data="made products", options=Options(minutes=0.08, rate=3e-3, export_every=2),
    )  # fmt: skip
    judged = finetune(chosen, pictures(32))
    assert judged is not None
    assert judged.after.queries == judged.before.queries == 16
    embedder = load_embedder(str(tmp_path / "mine"))
    assert embedder.dim == 16
    before = load_embedder(str(small_model)).embed_images([thing(3)])
    assert (embedder.embed_images([thing(3)]) * before).sum() < 0.9999  # the weights have changed
    model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path / 'mine'}")
    assert model.encode_text(open_clip.get_tokenizer(f"local-dir:{tmp_path / 'mine'}")(["red"])).shape == (
        1,
        16,
    )
    assert prepare.transforms
    config = json.loads((tmp_path / "mine" / "open_clip_config.json").read_text())
    assert config["lookdex_cfg"] == {"crop_margin": 0.1, "lower_case": True}
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "48 pictures of 24 products (made products); 6 labels, 2 categories" in card
    assert f"| after | {judged.after.recall[1]:.3f} |" in card
    assert "CC0-1.0" in card
    steps = int(card.split(" steps")[0].split()[-1])

    longer = Settings(
        str(small_model), tmp_path / "mine", tmp_path / "run", held=0.25, pairs=6,
        options=Options(minutes=0.13, rate=3e-3, resume=True),
    )  # fmt: skip
    finetune(longer, pictures(32))
    assert int((tmp_path / "mine" / "README.md").read_text().split(" steps")[0].split()[-1]) > steps


def test_finetuning_with_worker_processes(small_model: Path, tmp_path: Path) -> None:
    chosen = Settings(
        str(small_model), tmp_path / "mine", tmp_path / "run", held=0.25, pairs=6, workers=2,
        options=Options(minutes=0.03, rate=3e-3),
    )  # fmt: skip
    assert finetune(chosen, pictures(32)) is not None
    before = load_embedder(str(small_model)).embed_images([thing(3)])
    after = load_embedder(str(tmp_path / "mine")).embed_images([thing(3)])
    assert (after * before).sum() < 0.9999
    assert (tmp_path / "run" / "pictures.bin").stat().st_size > 0


def test_train_embedder_command_trains_from_a_table(small_model: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    with (tmp_path / "items.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["image", "sku", "title", "kind"])
        for n in range(12):
            for view in range(2):
                Image.fromarray(thing(n, view)).save(photos / f"{n}-{view}.jpg")
                table.writerow([f"{n}-{view}", f"s{n}", f"Thing {n}", f"kind {n % 2}"])
    command = ["--images", str(photos), "--items", str(tmp_path / "items.csv"), "--product", "sku",
             "--text", "{title}", "--model", str(small_model), "--out", str(tmp_path / "mine")]  # fmt: skip
    done = CliRunner().invoke(main, [*command, "--label", "kind", "--minutes", "0.03", "--pairs", "4"])
    assert done.exit_code == 0, done.output
    assert "Recall@1 on held-out products:" in done.output
    load_embedder(str(tmp_path / "mine"))

    wrong = CliRunner().invoke(main, [*command, "--label", "sort"])
    assert wrong.exit_code == 2
    assert "no column 'sort'; it has image, kind, sku, title" in wrong.output
    assert CliRunner().invoke(main, ["--out", str(tmp_path / "x")]).exit_code == 2
    gpu = CliRunner().invoke(main, [*command, "--device", "cuda"])
    if not torch.cuda.is_available():
        assert gpu.exit_code == 2
        assert "device cuda is not available" in gpu.output
