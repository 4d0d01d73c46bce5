ALTER DATABASE :"database" SET lc_time = 'de_DE.UTF-8';
