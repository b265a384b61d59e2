# Image of the jobs: the `lookdex` command, `spark-submit`, the jobs in /opt/lookdex/jobs, and Java 17. Build it in the root
# of the checkout:
#   docker build -f infra/docker/jobs.Dockerfile -t lookdex-jobs .
#   docker run --rm lookdex-jobs lookdex reindex --source s3://… --catalog s3://…
# PyPI's torch contains gigabytes of GPU libraries. For CPU workers, pass the URL of PyTorch's CPU index:
#   --build-arg PIP_EXTRA_INDEX_URL=…
# The image runs nights on local Spark and submits to a cluster. Executors on Kubernetes also need Spark's entry point, which
# PySpark does not contain: kubernetes/dockerfiles/spark/entrypoint.sh of Spark's distribution.
# Linted, and its commands were tested individually; the image itself has not been built or deployed.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim-bookworm AS build
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY infra/lock/jobs.txt lock/
RUN python -m venv --without-pip /opt/lookdex \
    && pip --python /opt/lookdex/bin/python install --no-deps --requirement lock/jobs.txt
COPY setup.py pyproject.toml README.md LICENSE ./
COPY lib lib
COPY sql sql
RUN pip install --constraint lock/jobs.txt setuptools \
    && pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/lookdex/bin/python install --no-deps dist/lookdex-*.whl

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="lookdex-jobs" \
      org.opencontainers.image.description="Search a shop's catalogue by photo: the nightly jobs" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Debian's security updates remove old versions, so pinned ones would soon be unavailable.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 lookdex \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin lookdex
COPY --from=build /opt/lookdex /opt/lookdex
COPY jobs /opt/lookdex/jobs
ENV PATH=/opt/lookdex/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
# tini reaps processes that Spark's JVM and Python workers leave behind.
ENTRYPOINT ["tini", "--"]
CMD ["lookdex", "--help"]
