#!/bin/sh
# Run once by the postgres image on an empty volume: the program's own role, which is no superuser, and its database.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$ACCORD_DATABASE_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role accord login nosuperuser nocreatedb nocreaterole noreplication password :'password';
create database accord owner accord;
SQL
