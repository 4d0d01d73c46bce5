CREATE TABLE t (i int PRIMARY KEY);
CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid dbname=x' PUBLICATION p WITH (connect = false);
