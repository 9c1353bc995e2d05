# Stands in for prom/prometheus where no registry is to be had.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends prometheus > /dev/null \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65534 -g 65534 /prometheus
WORKDIR /prometheus
USER 65534:65534
ENTRYPOINT ["/usr/bin/prometheus"]
