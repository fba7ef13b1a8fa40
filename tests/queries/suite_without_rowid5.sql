-- Tables with and without a rowid, from SQLite's own tests.

-- query: a row by its key
SELECT a, b, c FROM t1 WHERE a = 1429

-- query: the same without a rowid
SELECT a, b, c FROM t1w WHERE a = 1429

-- query: both in the order of the key
SELECT t1.a, t1w.b, t1.c FROM t1 JOIN t1w USING (a) ORDER BY t1.a

-- query: keys with NULLs, in order
SELECT a, b, c, d, e FROM nn ORDER BY c, a, e
-- postgresql: NULLs come last unless one says so
SELECT a, b, c, d, e FROM nn ORDER BY c NULLS FIRST, a NULLS FIRST, e NULLS FIRST

-- query: rows of which a part of the key is NULL
SELECT a, c, e FROM nn WHERE a IS NULL OR c IS NULL OR e IS NULL ORDER BY b

-- query: equal, NULL or not
SELECT b FROM nn WHERE c IS NULL AND a IS 3
-- postgresql: IS is IS NOT DISTINCT FROM
SELECT b FROM nn WHERE c IS NULL AND a IS NOT DISTINCT FROM 3

-- query: text in an INTEGER key
SELECT "key", val FROM ipk WHERE "key" = 'rival'

-- query: a compound key of a number and a text
SELECT a, b, c FROM t5 WHERE a = 3 AND b = '4'

-- query: the sum of what was counted
SELECT word, sum(cnt) FROM (SELECT * FROM wordcount UNION ALL SELECT * FROM wordcount_b
  UNION ALL SELECT * FROM wordcount_c UNION ALL SELECT * FROM wordcount_d) AS w GROUP BY word

-- query: bytes by their key
SELECT b FROM b1 WHERE a = 1

-- change: a word is counted
INSERT INTO wordcount (word, cnt) VALUES ('one', 1), ('two', 1) ON CONFLICT (word) DO UPDATE SET cnt = wordcount.cnt + 1
-- then: how often
SELECT word, cnt FROM wordcount ORDER BY word

-- change: rows are replaced
REPLACE INTO t5 (a, b, c) VALUES (3, '4', 'five'), (9, '9', 'nine')
-- postgresql: REPLACE is ON CONFLICT DO UPDATE of all other columns
INSERT INTO t5 (a, b, c) VALUES (3, '4', 'five'), (9, '9', 'nine') ON CONFLICT (a, b) DO UPDATE SET c = excluded.c
-- then: what is there
SELECT a, b, c FROM t5 ORDER BY a
