# One image for every part of perpmaker: `perpmaker <service>`. The builder fills the same folders that
# `make image-archive` packs without an engine; what runs has no shell, no package manager and no compiler.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
COPY pyproject.toml requirements.image.lock ./
COPY tools/image tools/image
RUN ["python3", "-m", "tools.image", "--base-folders", "/image"]
COPY services/perpmaker services/perpmaker
RUN ["python3", "-m", "tools.image", "--perpmaker-folder", "/image"]

FROM scratch
COPY --from=builder /image/system/ /
COPY --from=builder /image/interpreter/ /
COPY --from=builder /image/packages/ /
COPY --from=builder /image/perpmaker/ /
ARG VERSION=dev
LABEL org.opencontainers.image.title="perpmaker" \
      org.opencontainers.image.description="Kubernetes-native market maker for Hyperliquid perpetuals that treats an unknown order as alive" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ENV HOME=/tmp \
    LANG=C.UTF-8 \
    LD_LIBRARY_PATH=/usr/local/lib \
    PATH=/usr/local/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /
USER 65532:65532
ENTRYPOINT ["perpmaker"]
