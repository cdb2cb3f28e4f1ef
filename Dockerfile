# One image for `serve` and for every command: `docker run … reconciler plan /autopilots`.

FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/reconciler
# What changes least comes first, so that an edit of the code does not install everything again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY reconciler/ reconciler/
RUN /opt/reconciler/bin/pip install --no-cache-dir --disable-pip-version-check \
      -c constraints.txt '.[a2a,notify,postgres]'

FROM python:3.13-slim
# git: sources that are repositories. tini: reaps what programs of `command` agents leave behind.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git tini \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/reconciler --create-home reconciler
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RECONCILER_HOST=0.0.0.0 \
    RECONCILER_PORT=8484 \
    RECONCILER_DATABASE=sqlite:////var/lib/reconciler/state.db \
    RECONCILER_KEY_FILE=/var/lib/reconciler/server.key \
    RECONCILER_SECRETS_DIR=/run/secrets/reconciler \
    RECONCILER_TOKENS_FILE=/etc/reconciler/tokens.toml \
    RECONCILER_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/reconciler
# State, and the key from which webhook URLs derive: losing the key changes every URL.
VOLUME /var/lib/reconciler
EXPOSE 8484
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['RECONCILER_PORT']}/healthz\", timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "reconciler"]
# Mount the manifests at /autopilots, or follow what `reconciler apply` last applied: CMD ["serve"].
CMD ["serve", "/autopilots"]
