# One image for the server (the default command) and the stub price API (`stockstream mock`).

FROM python:3.13.14-slim-trixie AS build
WORKDIR /src
RUN python -m venv /opt/stockstream
ENV PATH=/opt/stockstream/bin:$PATH
# With what traces need, so that setting OTEL_EXPORTER_OTLP_ENDPOINT is all there is to do.
COPY requirements-tracing.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements-tracing.lock
COPY pyproject.toml README.md ./
COPY supervision supervision
COPY stockstream stockstream
COPY web web
COPY mockserver mockserver
# `--build-arg COMMIT=$(git rev-parse HEAD)`: /metrics tells which build a node runs.
ARG COMMIT=unknown
RUN printf '%s\n' "$COMMIT" >stockstream/commit \
    && pip install --no-cache-dir --disable-pip-version-check --no-deps ./supervision .

FROM python:3.13.14-slim-trixie
RUN useradd --system --uid 10001 --no-create-home stockstream \
    && install -d -o stockstream -g stockstream -m 0700 /var/lib/stockstream
COPY --from=build /opt/stockstream /opt/stockstream
# The root file system may be mounted read-only: only the data directory is written to.
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
