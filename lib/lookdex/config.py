"""All settings of lookdex: types, defaults and help texts, in one model for the nightly run and one for the service.

The command line makes its options from the models. A value comes from the flag, the environment (`LOOKDEX_<NAME>`), the
TOML file (`--config`, `LOOKDEX_CONFIG`, or `lookdex.toml` in the working directory), or the default here, in this
order. The library gets values as arguments and reads none of these.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lookdex.errors import ConfigError

DEFAULT_FILE = "lookdex.toml"
PREFIX = "LOOKDEX_"
# Variables that are not settings: of --config, dags/nightly_reindex.py and infra/airflow/run.
OTHER_VARIABLES = ("CONFIG", "JOBS", "RETRIES", "SCHEDULE", "JOBS_ENV", "AIRFLOW_ENV")
# Kubernetes sets these in every pod next to a service named lookdex.
_KUBERNETES_VARIABLE = re.compile(r"(\w+_)?SERVICE_(HOST|PORT\w*)|(\w+_)?PORT_\d+_\w+")


def setting(
    default: Any,
    help: str,
    *,
    metavar: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Define a setting, with the limits of a number or the allowed values of a text."""
    metadata = {"help": help, "metavar": metavar, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class SharedSettings:
    """Settings that the nightly run and the service share: the catalogue and its models."""

    catalog: str = setting("", "Location of the catalogue: s3://bucket/prefix or a folder.", metavar="URI")
    detector: str = setting("lookdex-tiny", "Detector: a name, a hub id or a folder.", metavar="MODEL")
    embedder: str = setting("lookdex-tiny", "Embedder: a name, a hub id or a folder.", metavar="MODEL")
    trusted_models: tuple[str, ...] = setting(
        (),
        "Models that a release may use, besides lookdex-tiny and those of the settings detector and embedder.",
        metavar="MODEL,…",
    )
    device: str = setting(
        "cpu", "Device for the models: cpu, cuda or cuda:N. There is no fallback.", metavar="DEVICE"
    )
    batch: int = setting(8, "Photos per call of a model.", minimum=1)


@dataclass(frozen=True, kw_only=True)
class NightSettings(SharedSettings):
    """Settings of `lookdex reindex`, of its stages (`plan`, `index`, `build`, `audit`, `promote`) and of `evaluate`."""

    source: str = setting("", "Location of the photos: s3://bucket/prefix or a folder.", metavar="URI")
    source_access: str = setting(
        "signed",
        "Access to the source's bucket: signed (with boto3's credentials), anonymous, or requester-pays.",
        choices=("signed", "anonymous", "requester-pays"),
    )
    products: str = setting(
        "",
        "Products file with a column product_id: CSV or JSON lines (also .gz), Parquet, or a folder of Parquet.",
        metavar="URI",
    )
    products_encoding: str = setting(
        "", "Encoding of the products file, such as cp949 (default: detected).", metavar="NAME"
    )
    products_separator: str = setting(
        "auto",
        "Column separator of the products file.",
        choices=("auto", "comma", "semicolon", "tab", "pipe"),
    )
    products_types: tuple[str, ...] = setting(
        (),
        "Types to use instead of the detected ones: text, number, date, datetime or boolean.",
        metavar="EAN=text,…",
    )
    product_columns: tuple[str, ...] = setting(
        (), "Columns of the products file to publish (default: all).", metavar="A,B,…"
    )
    keep_unlisted: bool = setting(False, "Keep photos of products that the products file does not list.")
    pattern: str = setting(
        "",
        "Pattern of a photo's key with its product id, such as '{product_id}/{name}.{ext}'.",
        metavar="PATTERN",
    )
    mapping: str = setting(
        "", "File with columns image_key and product_id, instead of a pattern.", metavar="URI"
    )
    min_score: float | None = setting(
        None, "Detections below this score are dropped (default: the detector's).", minimum=0, maximum=1
    )
    nms_iou: float = setting(
        0.7, "Boxes with a larger IoU are one object, whatever their labels.", minimum=0, maximum=1
    )
    max_objects: int = setting(
        20, "Maximum objects per photo; those with the highest scores are kept.", minimum=1
    )
    crop_margin: float | None = setting(
        None,
        "Margin around a box before embedding, as a share of its longer side (default: the embedder's).",
        minimum=0,
        maximum=1,
    )
    crop_pixels: int = setting(256, "Longer side of stored crops, in pixels.", minimum=1)
    max_bytes: int = setting(50_000_000, "Maximum bytes of a file. Larger ones are rejected.", minimum=1)
    max_pixels: int = setting(
        100_000_000, "Maximum pixels of a photo. Larger ones are rejected before decoding.", minimum=1
    )
    shard_images: int = setting(256, "Photos per shard, the unit of work and of resuming.", minimum=1)
    fetch_workers: int = setting(8, "Threads that fetch and decode photos, in each Spark worker.", minimum=1)
    fetch_seconds: float = setting(60.0, "Seconds to fetch a photo, over all attempts.", minimum=1)
    master: str = setting(
        "", "Spark master (default: that of spark-submit, else local[cores]).", metavar="URL"
    )
    max_change: float = setting(
        0.10,
        "Largest share of the catalogue that may vanish, lose its products or be rejected in one run.",
        minimum=0,
        maximum=1,
    )
    thresholds: str = setting(
        "",
        "File of `lookdex evaluate end-to-end --thresholds`, stored with the release (default: the live one's).",
        metavar="URI",
    )
    keep_releases: int = setting(7, "Releases to keep for rollbacks.", minimum=1)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(SharedSettings):
    """Settings of `lookdex serve` and of `lookdex.service.create_app`."""

    host: str = setting(
        "127.0.0.1", "Address that `lookdex serve` listens on. 0.0.0.0 listens on all interfaces."
    )
    port: int = setting(
        8000, "Port that `lookdex serve` listens on. 0 picks a free port.", minimum=0, maximum=65535
    )
    engine: str = setting(
        "auto",
        "Inference engine of `lookdex serve` on a CPU: torch, openvino, or auto (OpenVINO if installed).",
        choices=("auto", "torch", "openvino"),
    )
    tokens: str = setting(
        "",
        "File of hashed tokens, or its lines themselves (see `lookdex token`). Empty: no token is needed.",
        metavar="FILE",
    )
    cors: tuple[str, ...] = setting(
        (),
        "Origins allowed to call the service from a browser (CORS), such as https://shop.example.",
        metavar="ORIGIN,…",
    )
    caching: str = setting(
        "private",
        "Who may cache pictures and GET answers: private (the client only) or public (a CDN too, which then serves "
        "pictures to anyone who knows their URL, even if the service requires a token).",
        choices=("private", "public"),
    )
    facets: tuple[str, ...] = setting(
        (),
        "Columns offered as facets: questions may count their values (default: category and price).",
        metavar="A,B,…",
    )
    root_path: str = setting(
        "", "Path prefix under which a proxy serves this service, such as /lookdex.", metavar="/PATH"
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.",
        metavar="ADDRESS,…",
    )
    connections: int = setting(
        0, "Maximum open connections. 0: as many as the open-file limit allows, up to 1,000.", minimum=0
    )
    client_share: float = setting(
        0.5,
        "Largest share of the requests, and of the large uploads, in progress for one client.",
        minimum=0,
        maximum=1,
    )
    client_rate: float = setting(
        2000.0,
        "Minimum bytes per second at which a client must send its upload and read its answer.",
        minimum=0,
    )
    header_seconds: float = setting(
        10.0, "Seconds for a request header to arrive, also on a new connection.", minimum=0.1
    )
    keep_alive_seconds: float = setting(
        65.0, "Seconds after which an idle connection is closed.", minimum=0.1
    )
    upload_bytes: int = setting(
        20_000_000, "Largest upload in bytes. Larger ones are refused while they arrive.", minimum=1
    )
    upload_pixels: int = setting(
        50_000_000, "Maximum pixels of an upload. Larger ones are refused before decoding.", minimum=1
    )
    upload_frames: int = setting(
        100, "Maximum frames of an animation. The first frame is searched.", minimum=1
    )
    receive_seconds: float = setting(30.0, "Seconds for an upload to arrive.", minimum=0.1)
    decode_seconds: float = setting(
        8.0,
        "Maximum CPU seconds for decoding one photo. A photo that takes longer is refused.",
        minimum=0.1,
    )
    decoders: int = setting(0, "Decoder processes. 0: one per core.", minimum=0)
    places: int = setting(
        0, "Questions answered at the same time. 0: one more than there are cores.", minimum=0
    )
    queue: int = setting(8, "Questions that may wait. Further ones are refused with 503.", minimum=0)
    deadline_seconds: float = setting(
        10.0, "Seconds to answer a question. After that it is refused with 503.", minimum=0.1
    )
    store_seconds: float = setting(
        1.0,
        "Seconds for the catalogue's store to answer a small request. If it does not, questions that need it are "
        "refused with 503 until it answers again.",
        minimum=0.1,
    )
    poll_seconds: float = setting(5.0, "Seconds between checks for a new live release.", minimum=0.01)
    drain_seconds: float = setting(30.0, "Seconds to finish open requests after SIGTERM.", minimum=0)


def settings_by_name(model: type[SharedSettings]) -> dict[str, Field[Any]]:
    """The settings of a model, by name."""
    return {entry.name: entry for entry in fields(model)}


SETTINGS = settings_by_name(NightSettings) | settings_by_name(ServiceSettings)


def read_file(path: str | None) -> dict[str, Any]:
    """The settings of a TOML file, by name; {} when `path` is None and there is no lookdex.toml."""
    file = Path(path or DEFAULT_FILE)
    if path is None and not file.is_file():
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings file {file} is not valid TOML: {error}") from error
    unknown = sorted(set(values) - set(SETTINGS))
    if unknown:
        raise ConfigError(
            f"the settings file {file} has unknown settings: {', '.join(unknown)}; the settings are: "
            f"{', '.join(SETTINGS)}"
        )
    return values


def variable_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def find_unknown_variables(names: Iterable[str]) -> dict[str, str]:
    """The LOOKDEX_… variables that are not settings, each with the most similar one that is, or ''."""
    known = [name.upper() for name in SETTINGS] + list(OTHER_VARIABLES)
    own = sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
    unknown = [name for name in own if name not in known and not _KUBERNETES_VARIABLE.fullmatch(name)]
    nearest = {name: get_close_matches(name, known, 1) for name in unknown}
    return {PREFIX + name: PREFIX + near[0] if near else "" for name, near in nearest.items()}


def markdown() -> str:
    """The tables of settings in docs/configuration.md."""
    models = {"Nightly run": NightSettings, "Service": ServiceSettings}
    return "\n\n".join(
        f"## {title}\n\n{model.__doc__}\n\n{_table(settings_by_name(model))}"
        for title, model in models.items()
    )


def _table(settings: Mapping[str, Field[Any]]) -> str:
    rows = ["| setting | default | |", "| --- | --- | --- |"]
    for name, entry in settings.items():
        value = str(entry.default).lower() if isinstance(entry.default, bool) else entry.default
        default = "" if value in ("", None, ()) else f"`{value}`"
        text = entry.metadata["help"].replace("|", "\\|")
        rows.append(f"| {name} | {default} | {text} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(markdown())
