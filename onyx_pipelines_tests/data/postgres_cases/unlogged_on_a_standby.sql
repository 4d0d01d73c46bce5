CREATE DATABASE replicated; \c replicated
CREATE UNLOGGED TABLE scratchpad (i serial); CREATE TABLE kept (i int); INSERT INTO kept VALUES (1);
