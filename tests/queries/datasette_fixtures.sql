-- What a browser for databases asks: facets, sorting, paging by compound keys, joins through a third table.

-- query: a facet
SELECT state, count(*) FROM facetable GROUP BY state ORDER BY 2 DESC, 1

-- query: a facet of the elements of arrays
SELECT j.value, count(*) FROM facetable, json_each(facetable.tags) j GROUP BY j.value ORDER BY 2 DESC, 1
-- postgresql: json_each() of an array is jsonb_array_elements_text(), whose texts have the order of the database
SELECT j.value, count(*) FROM facetable, jsonb_array_elements_text(facetable.tags) AS j(value)
GROUP BY j.value ORDER BY 2 DESC, j.value COLLATE "C"

-- query: a facet by date
SELECT date(created), count(*) FROM facetable GROUP BY 1 ORDER BY 1

-- query: labels of a foreign key
SELECT f.pk, f._neighborhood, c.name, f.created, f.complex_array FROM facetable f
LEFT JOIN facet_cities c ON c.id = f._city_id ORDER BY f.pk

-- query: sorted downwards, with NULLs
SELECT pk1, pk2, sortable_with_nulls FROM sortable ORDER BY sortable_with_nulls DESC, pk1, pk2 LIMIT 101
-- postgresql: downwards, NULLs come first unless one says so
SELECT pk1, pk2, sortable_with_nulls FROM sortable ORDER BY sortable_with_nulls DESC NULLS LAST, pk1, pk2 LIMIT 101

-- query: the page after a compound key
SELECT pk1, pk2, pk3, content FROM compound_three_primary_keys WHERE (pk1, pk2, pk3) > ('a', 'd', 'v')
ORDER BY pk1, pk2, pk3 LIMIT 101

-- query: the same, written out
SELECT pk1, pk2, pk3 FROM compound_three_primary_keys
WHERE (pk1 > 'b') OR (pk1 = 'b' AND pk2 > 'c') OR (pk1 = 'b' AND pk2 = 'c' AND pk3 > 'x')
ORDER BY pk1, pk2, pk3 LIMIT 11

-- query: the page after a rowid
SELECT rowid, content, a, b, c FROM no_primary_key WHERE rowid > 100 ORDER BY rowid LIMIT 5
-- postgresql: a table without a key has it as _crossfade_rowid
SELECT _crossfade_rowid, content, a, b, c FROM no_primary_key WHERE _crossfade_rowid > 100 ORDER BY _crossfade_rowid LIMIT 5

-- query: attractions that have a characteristic
SELECT r.pk, r.name, r.latitude, r.longitude FROM roadside_attractions r WHERE r.pk IN
(SELECT attraction_id FROM roadside_attraction_characteristics c
 JOIN attraction_characteristic a ON a.pk = c.characteristic_id WHERE a.name = 'Paranormal') ORDER BY r.pk

-- query: names that are SQL's own words
SELECT "group", "having", "and", "json" FROM "select"

-- query: infinities in order
SELECT value FROM infinity ORDER BY value

-- query: bytes
SELECT data, length(data) FROM binary_data ORDER BY data NULLS LAST

-- query: a name with a point and spaces, in a view
SELECT pk, "name with . and spaces" FROM searchable_view WHERE text1 = 'barry cat'

-- query: a foreign key of two columns
SELECT f.pk, c.content FROM foreign_key_references f
JOIN compound_primary_key c ON c.pk1 = f.foreign_key_compound_pk1 AND c.pk2 = f.foreign_key_compound_pk2
