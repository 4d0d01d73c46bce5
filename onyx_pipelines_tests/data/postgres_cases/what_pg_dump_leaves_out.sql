-- Whole, and yet not to the letter as it was once pg_dump has brought it back.
CREATE TYPE size AS ENUM ('small', 'large');
CREATE TABLE sized (size size, n int) PARTITION BY HASH (size);
CREATE TABLE sized_0 PARTITION OF sized FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sized_1 PARTITION OF sized FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO sized VALUES ('small', 1), ('large', 2), ('large', 3);
CREATE TABLE plan (id int NOT NULL CHECK (id > 0));
CREATE TABLE draft (note text) INHERITS (plan);
ALTER TABLE draft ALTER id DROP NOT NULL;
COMMENT ON CONSTRAINT plan_id_check ON draft IS 'inherited';
CREATE AGGREGATE shared(int) (SFUNC = int4pl, STYPE = int, FINALFUNC_MODIFY = SHAREABLE);
CREATE TRANSFORM FOR bigint LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int8recv(internal));
COMMENT ON TRANSFORM FOR bigint LANGUAGE sql IS 'worded otherwise by version 18';
