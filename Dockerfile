# One image for each service, and one for the command line:
#
#   docker build --build-arg SERVICE=risk --tag accord/risk:0.1.0 .
#   docker build --target command --tag accord/command:0.1.0 .
#
# Everything that is installed is pinned by requirements.lock and checked against its
# hashes; a package that the lock does not hold stops the build. Each image gets only
# what its own package depends on, so nothing of development is in it.
#
# The base is named by tag here because no registry could be asked for its digest. Who
# deploys pins it, and renews the pin with every security release:
#   docker build --build-arg PYTHON=python:3.11-slim-bookworm@sha256:<digest> …
#   docker buildx imagetools inspect python:3.11-slim-bookworm   # prints the digest
ARG PYTHON=python:3.11-slim-bookworm

# --- What every image shares: the tools, an empty environment, the two libraries.
FROM ${PYTHON} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_PROGRESS=1 \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY deploy/image/build.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/build \
    && /opt/build/bin/pip install --no-deps --require-hashes --requirement build.txt
# The environment that goes into the image holds no installer.
RUN /opt/build/bin/uv venv /opt/accord
ENV PATH=/opt/build/bin:${PATH} \
    VIRTUAL_ENV=/opt/accord
COPY requirements.lock deploy/image/install ./
COPY libs/ libs/

# --- A service with its own dependencies.
FROM builder AS service-builder
ARG SERVICE
# What the service may have besides, as `wide` of notify; mostly nothing.
ARG EXTRA=
COPY services/${SERVICE}/ services/${SERVICE}/
RUN --mount=type=cache,target=/root/.cache/uv \
    ./install libs/contracts libs/chassis "services/${SERVICE}${EXTRA:+[$EXTRA]}"

# --- The command line, which can run every service and so depends on all of them.
FROM builder AS command-builder
COPY services/ services/
COPY cli/ cli/
RUN --mount=type=cache,target=/root/.cache/uv \
    ./install libs/* services/* cli

# --- What runs. Nothing is written but to /tmp, so the root may be read-only; the user
# has a number only, because that is all that runAsNonRoot can check.
FROM ${PYTHON} AS runtime
ENV HOME=/tmp \
    PATH=/opt/accord/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /tmp
USER 10001:10001

FROM runtime AS command
USER 0:0
RUN --mount=type=bind,source=deploy/image/packages,target=/packages /packages command
USER 10001:10001
LABEL org.opencontainers.image.title="accord"
COPY --from=command-builder /opt/accord /opt/accord
ENTRYPOINT ["accord"]
CMD ["--help"]

# The last stage is what is built when no target is named.
FROM runtime AS service
ARG SERVICE
USER 0:0
RUN --mount=type=bind,source=deploy/image/packages,target=/packages /packages "${SERVICE}"
USER 10001:10001
# A command in exec form is not expanded, and a shell before it would swallow SIGTERM;
# so the image remembers its service in a variable and start.py runs it as `python -m`.
ENV SERVICE=${SERVICE} \
    ACCORD_HOST=0.0.0.0 \
    ACCORD_PORT=8000
LABEL org.opencontainers.image.title="accord-${SERVICE}"
COPY --from=service-builder /opt/accord /opt/accord
COPY deploy/image/start.py deploy/image/healthy.py /opt/accord/image/
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s \
    CMD ["python", "/opt/accord/image/healthy.py"]
CMD ["python", "/opt/accord/image/start.py"]
