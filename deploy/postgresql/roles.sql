-- The two roles and the database of a site; run once as a superuser: psql -f roles.sql. See docs/postgresql.md.
-- Passwords are set afterwards by hand (\password NAME), so that none stands in a file.
CREATE ROLE biobank_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
CREATE ROLE biobank_service LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
CREATE DATABASE biobank OWNER biobank_owner ENCODING 'UTF8' TEMPLATE template0;
-- Rights within the database are given by “biobank init” or “biobank db roles --application biobank_service”, as the owner.
