# One image for every process of Slipway; docker-compose.yml starts them.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv git ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /slipway
COPY requirements.txt .
# Behind a proxy with a certificate authority of its own: docker build --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt
RUN --mount=type=secret,id=ca,required=false python3 -m venv /venv \
 && if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY manage.py pyproject.toml ./
COPY pipelines pipelines
COPY runners runners
COPY server server
COPY static static
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 SLIPWAY_STATE_DIR=/var/lib/slipway
VOLUME /var/lib/slipway
EXPOSE 8000
CMD ["python", "manage.py", "up"]
