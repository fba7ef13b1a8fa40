-- A music shop. Names of mixed case are quoted, as object-relational mappers do; then the text is one for both.

-- query: invoices and revenue per country; rounded, as equal sums of REALs differ in their last digits
SELECT "BillingCountry", count(*), sum("Total") FROM "Invoice" GROUP BY "BillingCountry" ORDER BY round(sum("Total"), 2) DESC, 1

-- query: the same, as it is typed by hand
SELECT BillingCountry, count(*), sum(Total) FROM Invoice GROUP BY BillingCountry ORDER BY round(sum(Total), 2) DESC, 1
-- postgresql: a name without quotes is taken in lower case
SELECT "BillingCountry", count(*), sum("Total") FROM "Invoice" GROUP BY "BillingCountry" ORDER BY round(sum("Total"), 2) DESC, 1

-- query: the tracks of a playlist
SELECT t."TrackId", t."Name", a."Title", r."Name", t."UnitPrice", t."Milliseconds" / 1000
FROM "Playlist" p
JOIN "PlaylistTrack" pt ON pt."PlaylistId" = p."PlaylistId"
JOIN "Track" t ON t."TrackId" = pt."TrackId"
JOIN "Album" a ON a."AlbumId" = t."AlbumId"
JOIN "Artist" r ON r."ArtistId" = a."ArtistId"
WHERE p."Name" = 'Grunge' ORDER BY t."TrackId"

-- query: the ten best customers
SELECT c."CustomerId", c."FirstName" || ' ' || c."LastName", round(sum(i."Total"), 2) AS spent
FROM "Customer" c JOIN "Invoice" i ON i."CustomerId" = c."CustomerId"
GROUP BY c."CustomerId" ORDER BY spent DESC, c."CustomerId" LIMIT 10

-- query: search for a track, whatever the capitals
SELECT "TrackId", "Name" FROM "Track" WHERE "Name" LIKE '%rock%' ORDER BY "Name", "TrackId"
-- postgresql: LIKE tells capitals apart; ILIKE does not
SELECT "TrackId", "Name" FROM "Track" WHERE "Name" ILIKE '%rock%' ORDER BY "Name", "TrackId"

-- query: who reports to whom
WITH RECURSIVE chain(id, name, depth) AS (
  SELECT "EmployeeId", "LastName", 0 FROM "Employee" WHERE "ReportsTo" IS NULL
  UNION ALL
  SELECT e."EmployeeId", e."LastName", depth + 1 FROM "Employee" e JOIN chain ON e."ReportsTo" = chain.id
)
SELECT depth, name FROM chain ORDER BY depth, name

-- query: revenue per month
SELECT strftime('%Y-%m', "InvoiceDate") AS month, sum("Total") FROM "Invoice" GROUP BY month ORDER BY month
-- postgresql: strftime() of a timestamp is to_char()
SELECT to_char("InvoiceDate", 'YYYY-MM') AS month, sum("Total") FROM "Invoice" GROUP BY month ORDER BY month

-- query: invoices of a quarter
SELECT "InvoiceId", "InvoiceDate", "Total" FROM "Invoice"
WHERE "InvoiceDate" >= '2022-01-01 00:00:00' AND "InvoiceDate" < '2022-04-01 00:00:00' ORDER BY "InvoiceDate", "InvoiceId"

-- query: customers, those without a company first
SELECT "CustomerId", "Company" FROM "Customer" ORDER BY "Company", "CustomerId"
-- postgresql: NULLs come last unless one says so (SQLite 3.30 and later takes NULLS FIRST too)
SELECT "CustomerId", "Company" FROM "Customer" ORDER BY "Company" NULLS FIRST, "CustomerId"

-- query: the third page of a list
SELECT "TrackId", "Name" FROM "Track" ORDER BY "Name", "TrackId" LIMIT 20, 10
-- postgresql: LIMIT offset, count is LIMIT count OFFSET offset, which SQLite takes too
SELECT "TrackId", "Name" FROM "Track" ORDER BY "Name", "TrackId" LIMIT 10 OFFSET 20

-- query: the genres that each media type has
SELECT m."Name", group_concat(DISTINCT g."Name") FROM "MediaType" m
JOIN (SELECT DISTINCT t."MediaTypeId", x."Name" FROM "Track" t JOIN "Genre" x ON x."GenreId" = t."GenreId"
      ORDER BY 1, 2) g ON g."MediaTypeId" = m."MediaTypeId"
GROUP BY m."MediaTypeId" ORDER BY m."MediaTypeId"
-- postgresql: group_concat() is string_agg(), and says in which order
SELECT m."Name", string_agg(DISTINCT g."Name", ',' ORDER BY g."Name") FROM "MediaType" m
JOIN "Track" t ON t."MediaTypeId" = m."MediaTypeId" JOIN "Genre" g ON g."GenreId" = t."GenreId"
GROUP BY m."MediaTypeId" ORDER BY m."MediaTypeId"

-- change: a cheaper genre
UPDATE "Track" SET "UnitPrice" = 0.49 WHERE "GenreId" = (SELECT "GenreId" FROM "Genre" WHERE "Name" = 'Opera')
-- then: its tracks
SELECT "TrackId", "UnitPrice" FROM "Track" WHERE "UnitPrice" < 0.99 ORDER BY "TrackId"
