"""The two models of a release, checked against those it was built with, and loaded when first needed."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Protocol

from lookdex.errors import ModelMismatch
from lookdex.models import digests, loading
from lookdex.models.trust import ONLY_TINY, TrustedModels
from lookdex.records import Recipe, Release
from lookdex.runtime.daemons import DaemonPool

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder


_THREADS = 32


class Loader(Protocol):
    """Loads the models that a recipe names. Raises ModelNotFound, DeviceUnavailable, ConfigError."""

    def detector_of(self, recipe: Recipe, device: str) -> Detector: ...

    def embedder_of(self, recipe: Recipe, device: str) -> Embedder: ...


class Encoders:
    """The detector and the embedder for questions to one release, each given or loaded by name. Thread-safe.

    `__init__` raises ModelMismatch, with both digests, for a model whose boxes or vectors would differ from those of
    the release's rows. A given model without a `digest` is assumed to be the one of that name in `first`, the recipe of
    the release that the catalogue was opened with. `__init__` raises ModelNotTrusted, before any file is read, for a
    model that is neither given nor in `trusted`.

    threads: for embedding in parallel with detection.
    """

    def __init__(
        self,
        release: Release,
        first: Recipe,
        device: str,
        detector: Detector | None = None,
        embedder: Embedder | None = None,
        loader: Loader | None = None,
        trusted: TrustedModels = ONLY_TINY,
    ) -> None:
        recipe = release.recipe
        named = {"detector": recipe.detector, "embedder": recipe.embedder}
        given = {"detector": detector, "embedder": embedder}
        loaded = {what: name for what, name in named.items() if given[what] is None}
        trusted.check(f"release {release.release_id}", **loaded)
        self.key = models_key(release)
        self._recipe, self._dim, self._device = recipe, release.dim, device
        self._loader: Loader = loading if loader is None else loader
        self._lock = threading.Lock()
        self.threads = DaemonPool("embed", _THREADS)
        weakref.finalize(self, self.threads.shutdown).atexit = False
        self._detector, self._embedder = detector, embedder
        _check("detector", release, first, detector)
        _check("embedder", release, first, embedder)

    @property
    def loaded(self) -> bool:
        return self._detector is not None and self._embedder is not None

    def load(self) -> None:
        """Load both now instead of at the first question."""
        self.detector()
        self.embedder()

    def detector(self) -> Detector:
        with self._lock:
            if self._detector is None:
                self._detector = self._loader.detector_of(self._recipe, self._device)
            return self._detector

    def embedder(self) -> Embedder:
        with self._lock:
            if self._embedder is None:
                embedder = self._loader.embedder_of(self._recipe, self._device)
                self._check_dim(embedder)
                self._embedder = embedder
            return self._embedder

    def check_given(self) -> None:
        """Raises ModelMismatch where a given embedder's vectors have another size than the release's.

        Call it once the table is open, which checks the release's own size.
        """
        self._check_dim(self._embedder)

    def _check_dim(self, embedder: Embedder | None) -> None:
        if embedder is not None and embedder.dim != self._dim:
            raise ModelMismatch(
                f"the embedder {embedder.name} gives vectors of {embedder.dim} numbers, the release holds vectors of "
                f"{self._dim}: use the embedder that the release names"
            )


def models_key(release: Release) -> tuple[object, ...]:
    """Equal for releases that the same loaded models can answer."""
    r: Recipe = release.recipe
    return (
        *(r.detector, r.detector_digest, r.min_score, r.nms_iou, r.max_objects),
        *(r.embedder, r.embedder_digest, release.dim),
    )


def _check(what: str, release: Release, first: Recipe, given: Detector | Embedder | None) -> None:
    """Raises ModelMismatch for a model of another name or digest than the release's."""
    name, digest = _model(what, release.recipe)
    if given is None:
        here = digests.detector_digest(name) if what == "detector" else digests.embedder_digest(name)
        other, remedy = (
            name,
            f"install the files it was built with, or reindex with these: `lookdex reindex --{what} …`",
        )
    else:
        known, known_digest = _model(what, first)
        other, here = given.name, getattr(given, "digest", known_digest if given.name == known else "unknown")
        remedy = f"leave out {what}=… to load the release's own, or reindex with this one"
    if (other, here) != (name, digest):
        raise ModelMismatch(
            f"release {release.release_id} was built with the {what} {name} (digest {digest}); here is {other} "
            f"(digest {here}), which does not fit its rows: {remedy}"
        )


def _model(what: str, recipe: Recipe) -> tuple[str, str]:
    """Name and digest."""
    if what == "detector":
        return recipe.detector, recipe.detector_digest
    return recipe.embedder, recipe.embedder_digest
