-- Tables that were made to be difficult.

-- query: a row by its key, in a table whose name is taken
SELECT id, name FROM "user" WHERE id = 3

-- query: rows whose key is NULL
SELECT id, ticket FROM autoinc WHERE id IS NULL ORDER BY ticket

-- query: integers, texts and reals in one column
SELECT id FROM intege WHERE typeof(id) = 'integer'
-- postgresql: a mixed column is jsonb, where each value keeps its class
SELECT (id #>> '{}')::bigint FROM intege WHERE jsonb_typeof(id) = 'number' AND id #>> '{}' NOT LIKE '%.%'

-- query: the text among them
SELECT id FROM intege WHERE id = 'toto'
-- postgresql: to_jsonb() of the text
SELECT id #>> '{}' FROM intege WHERE id = to_jsonb('toto'::text)

-- query: numbers that are stored as texts where an integer is declared
SELECT count(*), count(id), sum(typeof(id) = 'text') FROM intege
-- postgresql: jsonb_typeof() says string; a condition is no number
SELECT count(*), count(id), count(*) FILTER (WHERE jsonb_typeof(id) = 'string') FROM intege

-- query: times among zeros
SELECT StartTime, EndTime FROM stamps WHERE typeof(StartTime) = 'text'
-- postgresql: names in quotes, and the mixed column as above
SELECT "StartTime" #>> '{}', "EndTime" FROM stamps WHERE jsonb_typeof("StartTime") = 'string'

-- query: reals, equal to the last bit
SELECT id, f1 FROM reals WHERE f1 = 1.2 OR f1 = -3.14 ORDER BY id

-- query: whole numbers
SELECT id, a + b + c + d, a / 3, b % 7 FROM ints ORDER BY id

-- query: the beginning of a picture
SELECT id, length(data), hex(substr(data, 1, 4)) FROM blobs
-- postgresql: hex() is encode(), which writes small letters
SELECT id, length(data), upper(encode(substr(data, 1, 4), 'hex')) FROM blobs

-- query: an empty text is not NULL
SELECT id, f1, f2 FROM def WHERE f1 = '' OR f2 IS NOT NULL ORDER BY id

-- query: rows in the order in which they were written
SELECT price FROM item ORDER BY rowid
-- postgresql: a table without a key has the rowid as _crossfade_rowid
SELECT price FROM item ORDER BY _crossfade_rowid

-- query: dates, and times of the day
SELECT i, foo, date(foo) FROM datetime_default WHERE foo >= '2020-07-03 18:32:00' ORDER BY i
