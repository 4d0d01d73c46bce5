CREATE ROLE "o'brien" LOGIN; ALTER ROLE "o'brien" SET work_mem = '5MB';
CREATE ROLE zed LOGIN VALID UNTIL '2031-01-01' CONNECTION LIMIT 3; ALTER ROLE zed SET search_path = 'app';
ALTER ROLE ALL SET app.everybody = 'theirs';
ALTER ROLE ALL SET app.another = 'theirs';
