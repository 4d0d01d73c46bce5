CREATE DATABASE icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn-true'; \c icu
CREATE TABLE names (name text); INSERT INTO names VALUES ('a10'), ('a9'), ('a2');
