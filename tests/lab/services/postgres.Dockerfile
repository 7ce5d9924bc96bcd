# PostgreSQL from the distribution's packages, started with the variables that the official image takes.
ARG BASE
FROM ${BASE}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/* && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
COPY start-postgres /usr/local/sbin/
ENV PGDATA=/var/lib/postgresql/data
CMD ["/usr/local/sbin/start-postgres"]
