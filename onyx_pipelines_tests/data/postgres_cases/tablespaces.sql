CREATE TABLESPACE "archivé" LOCATION :'directory';
CREATE DATABASE in_archive TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' TABLESPACE "archivé"; \c in_archive
CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 100);
ALTER DATABASE in_archive SET default_tablespace = pg_default;
CREATE TABLE parted (i int) PARTITION BY RANGE (i);
