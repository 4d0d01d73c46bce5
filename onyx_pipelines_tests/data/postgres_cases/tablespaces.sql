CREATE TABLESPACE archive LOCATION :'directory';
CREATE DATABASE in_archive TABLESPACE archive; \c in_archive
CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 100);
