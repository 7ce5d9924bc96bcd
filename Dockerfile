# One image for every process of Slipway; docker-compose.yml starts them. Builds with BuildKit and with the older builder.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    python3 python3-venv git openssh-client ca-certificates \
 && rm -rf /var/lib/apt/lists/*
# ca.crt beside this file is optional: authorities that the image shall trust too, behind a proxy that has its own.
COPY requirements.txt ca.cr[t] /slipway/
RUN if [ -f /slipway/ca.crt ]; then mv /slipway/ca.crt /usr/local/share/ca-certificates/ && update-ca-certificates; fi
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
RUN python3 -m venv /venv \
 && PIP_CERT=$SSL_CERT_FILE /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes -r /slipway/requirements.txt
WORKDIR /slipway
COPY manage.py pyproject.toml ./
COPY pipelines pipelines
COPY runners runners
COPY server server
COPY static static
# The code belongs to root and cannot be changed by the processes; a new volume takes its owner from this directory.
RUN /venv/bin/python -m compileall -q manage.py pipelines runners server \
 && useradd --uid 10001 --no-create-home --home-dir /var/lib/slipway --shell /usr/sbin/nologin slipway \
 && install -d -o slipway -g slipway -m 700 /var/lib/slipway
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SLIPWAY_STATE_DIR=/var/lib/slipway
USER slipway
VOLUME /var/lib/slipway
EXPOSE 8000
CMD ["python", "manage.py", "up"]
