CREATE TABLE prices (p money); INSERT INTO prices VALUES (1234.56::numeric::money);
