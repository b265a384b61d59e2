"""Run denial-of-service attacks on `lookdex serve`, one after the other.

    PYTHONPATH=lib python -m infra.attack_service [--only NAME …] [--items 20000]
    PYTHONPATH=lib python -m infra.attack_service --lib OLDER/lib      # the service of another checkout
    PYTHONPATH=lib python -m infra.attack_service --url http://…       # a running service

Publishes a synthetic release with the shipped models and starts the service on it. For each attack it prints the
slowest response of `/healthz` (probed every 50 ms on a new connection), the CPU seconds of the service and its
decoders, the duration, the result and the statuses received. An attack passes if its own checks do and `/healthz`
always answered within `--healthz` seconds. Exits with 1 if one failed. With --url, attacks that need their own service
are skipped. Settings are passed as environment variables, so that an older service ignores those it does not have.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from infra.attacks import answers, decoding, filters, network, records, store
from infra.attacks.frame import ROOT, Attack, Place, Service, report, serve
from infra.synthetic import publish
from lookdex.config import NightSettings
from lookdex.models.loading import Loader
from lookdex.pipeline.recipe import make_recipe

ATTACKS: tuple[Attack, ...] = (
    *network.ATTACKS, *records.ATTACKS, *decoding.ATTACKS, *filters.ATTACKS, *store.ATTACKS,
    *answers.ATTACKS,
)  # fmt: skip


@contextmanager
def catalog(folder: Path, items: int) -> Iterator[Place]:
    """Publish a release of so many rows in `folder`, or reuse an existing one."""
    if not (folder / "live").exists():
        recipe = make_recipe(NightSettings())
        publish(folder, recipe, items, Loader().embedder_of(recipe, "cpu").dim)
    yield Place(str(folder))


def run(attacks: list[Attack], folder: Path, lib: Path, options: argparse.Namespace) -> list[Attack]:
    """Run the attacks and return those that failed. Attacks without special settings share one service."""
    failed, shared = [], [attack for attack in attacks if not attack.alone]
    with ExitStack() as stack:
        place = stack.enter_context(catalog(options.catalog or folder / "catalog", options.items))
        if shared:
            with serve(place, folder, lib) as service:
                failed += [attack for attack in shared if not report(attack, service, options.healthz)]
        for attack in attacks:
            if attack.alone:
                with ExitStack() as own:
                    where = own.enter_context(attack.place(folder)) if attack.place else place
                    service = own.enter_context(serve(where, folder, lib, attack.settings, attack.open_files))
                    if not report(attack, service, options.healthz):
                        failed.append(attack)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[], choices=[attack.name for attack in ATTACKS])
    parser.add_argument("--items", type=int, default=20_000, help="rows of the release")
    parser.add_argument("--catalog", type=Path, help="keep the release here and reuse it")
    parser.add_argument("--healthz", type=float, default=1.0, help="seconds for /healthz to answer")
    parser.add_argument("--lib", type=Path, default=ROOT / "lib", help="lib folder of the service under test")
    parser.add_argument("--url", help="attack this running service")
    options = parser.parse_args()
    chosen = [attack for attack in ATTACKS if not options.only or attack.name in options.only]
    print(f"{'attack':<22} {'/healthz':>11} {'CPU':>9} {'took':>8}")
    if options.url:
        service = Service(options.url.rstrip("/"), None, None)
        failed = [a for a in chosen if not a.alone and not report(a, service, options.healthz)]
    else:
        with tempfile.TemporaryDirectory(prefix="lookdex-attack-") as folder:
            failed = run(chosen, Path(folder), options.lib.resolve(), options)
    print(f"{len(chosen) - len(failed)} of {len(chosen)} attacks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
