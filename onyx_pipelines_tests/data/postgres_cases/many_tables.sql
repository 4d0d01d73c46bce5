CREATE DATABASE many; \c many
SELECT format('CREATE TABLE t%s (id int PRIMARY KEY, v text)', i) FROM generate_series(1, :tables) i \gexec
