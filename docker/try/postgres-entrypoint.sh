#!/bin/sh
# As the official image does it: an empty folder is initialised through a server on a socket alone.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  chmod 700 "$PGDATA"
  initdb --pgdata "$PGDATA" --encoding UTF8 --username "$POSTGRES_USER" --auth "$POSTGRES_HOST_AUTH_METHOD"
  pg_ctl --pgdata "$PGDATA" --wait --options "-c listen_addresses=''" start
  createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl --pgdata "$PGDATA" --wait --mode fast stop
fi
exec "$@"
