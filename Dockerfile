# The service alone: no test node, no test tools, no npm. The base may be any Debian-like Python image from
# 3.11 on; an operator pins it by digest: --build-arg BASE=python:3.13-slim@sha256:...
ARG BASE=python:3.13-slim

# hadolint ignore=DL3006
FROM ${BASE} AS packages
COPY requirements.lock /build/
# Wheels only, each with the hash that the lock names; pip stays behind in this stage.
RUN python3 -m venv --without-pip /opt/quittance \
    && python3 -m pip --python /opt/quittance/bin/python install --no-cache-dir --no-compile \
        --only-binary :all: --require-hashes -r /build/requirements.lock
COPY app/ /opt/quittance/src/app/
COPY chains/ /opt/quittance/src/chains/
RUN for packages in /opt/quittance/lib/python3.*/site-packages; do \
        echo /opt/quittance/src > "${packages}/quittance.pth"; done \
    && printf '#!/opt/quittance/bin/python\nimport sys\n\nfrom app.cli.main import main\n\nsys.exit(main())\n' \
        > /opt/quittance/bin/quittance \
    && chmod 755 /opt/quittance/bin/quittance \
    && /opt/quittance/bin/python -m compileall -q /opt/quittance

# hadolint ignore=DL3006
FROM ${BASE}
RUN groupadd --gid 10001 quittance \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin quittance \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=packages /opt/quittance /opt/quittance
ENV PATH=/opt/quittance/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    QUITTANCE_DATA_DIR=/data \
    QUITTANCE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["quittance"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
