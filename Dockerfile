# One image for the server (the default command) and the stub price API (`stockstream mock`).

FROM python:3.13.14-slim-trixie AS build
WORKDIR /src
RUN python -m venv /opt/stockstream
ENV PATH=/opt/stockstream/bin:$PATH
# With what traces need, so that setting OTEL_EXPORTER_OTLP_ENDPOINT is all there is to do.
COPY requirements-tracing.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements-tracing.lock
# What lists the parts of the image is in an environment of its own, which stays behind.
COPY requirements-supply.lock ./
RUN python -m venv /opt/bill \
    && /opt/bill/bin/pip install --no-cache-dir --disable-pip-version-check \
        --constraint requirements-supply.lock cyclonedx-bom
COPY pyproject.toml README.md ./
COPY supervision supervision
COPY stockstream stockstream
COPY web web
COPY mockserver mockserver
# `--build-arg COMMIT=$(git rev-parse HEAD)`: /metrics tells which build a node runs.
ARG COMMIT=unknown
RUN printf '%s\n' "$COMMIT" >stockstream/commit \
    && pip install --no-cache-dir --disable-pip-version-check --no-deps ./supervision . \
    && pip --disable-pip-version-check uninstall --yes --quiet pip \
    && /opt/bill/bin/cyclonedx-py environment /opt/stockstream/bin/python --output-format JSON \
        --output-file /opt/stockstream/sbom.json

FROM python:3.13.14-slim-trixie AS runtime
# No pip of the base image either: nothing is installed in a container that runs.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin stockstream \
    && install -d -o stockstream -g stockstream -m 0700 /var/lib/stockstream /backups \
    && rm -rf /usr/local/lib/python3.*/site-packages/pip /usr/local/lib/python3.*/site-packages/pip-* \
        /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip*
COPY --from=build /opt/stockstream /opt/stockstream
# The root file system may be mounted read-only: only the data directory is written to, and /backups
# where BACKUP_DIRECTORY says so.
ENV PATH=/opt/stockstream/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    DATA_DIRECTORY=/var/lib/stockstream \
    LOG_FORMAT=json
WORKDIR /var/lib/stockstream
VOLUME /var/lib/stockstream
USER 10001
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '4000') + '/health/live', timeout=3)"]
CMD ["stockstream", "serve"]

# For docker-compose.dev.yml: the source is mounted, and a change of it starts the program anew.
FROM runtime AS dev
COPY --from=build /opt/bill /opt/bill
COPY requirements-dev.lock /opt/bill/
USER 0
RUN /opt/bill/bin/pip --python /opt/stockstream/bin/python install --no-cache-dir \
        --disable-pip-version-check --constraint /opt/bill/requirements-dev.lock watchfiles
USER 10001

FROM runtime
ARG COMMIT=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="StockStream" \
      org.opencontainers.image.description="Stock prices, streamed live to browsers by supervised actors on trio" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="python:3.13.14-slim-trixie" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
