CREATE DATABASE crondb; \c crondb
CREATE EXTENSION pg_cron; CREATE TABLE t (i int); INSERT INTO t VALUES (1);
SELECT cron.schedule('nightly', '0 3 * * *', 'VACUUM');
