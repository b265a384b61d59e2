# Image of the service, `lookdex serve`, without Spark, Java, compilers or pip. Build it in the root of the checkout:
#   docker build -f infra/docker/service.Dockerfile -t lookdex-service .
# PyPI's torch contains gigabytes of GPU libraries. For a service on CPUs, pass the URL of PyTorch's CPU index:
#   --build-arg PIP_EXTRA_INDEX_URL=…
# Run it with --shm-size 512m (for decoded pixels). A read-only root needs a writable /tmp:
#   docker run --read-only --tmpfs /tmp --shm-size 512m -p 8000:8000 -e LOOKDEX_CATALOG=s3://… -e LOOKDEX_TOKENS=… …
# Linted, and its commands were tested individually; the image itself has not been built or deployed.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim-bookworm AS build
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY infra/lock/jobs.txt infra/lock/dev.txt lock/
COPY setup.py pyproject.toml README.md LICENSE ./
COPY lib lib
COPY sql sql
# The locks serve as constraints: the extras decide what is installed.
RUN pip install --constraint lock/jobs.txt setuptools \
    && pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m venv --without-pip /opt/lookdex \
    && pip --python /opt/lookdex/bin/python install --constraint lock/jobs.txt --constraint lock/dev.txt \
        "$(echo ./dist/lookdex-*.whl)[serve,openvino]"

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="lookdex-service" \
      org.opencontainers.image.description="Search a shop's catalogue by photo: the service" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 lookdex \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin lookdex
COPY --from=build /opt/lookdex /opt/lookdex
ENV PATH=/opt/lookdex/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    LOOKDEX_HOST=0.0.0.0 \
    LOOKDEX_PORT=8000
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# No init is needed: the service handles SIGTERM and finishes open requests.
ENTRYPOINT ["lookdex"]
CMD ["serve"]
