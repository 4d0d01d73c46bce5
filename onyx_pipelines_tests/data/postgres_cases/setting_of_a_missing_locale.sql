ALTER DATABASE :"database" SET lc_time = 'de_DE.UTF-8';
-- The same of a role.
CREATE ROLE german;
ALTER ROLE german SET lc_time = 'de_DE.UTF-8';
