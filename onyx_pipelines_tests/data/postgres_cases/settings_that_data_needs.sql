ALTER DATABASE :"database" SET app.tenant = '7'; \c :"database"
CREATE TABLE docs (tenant int CHECK (tenant = current_setting('app.tenant')::int)); INSERT INTO docs VALUES (7);
