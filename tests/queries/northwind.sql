-- A wholesaler. The dates of orders are declared DATETIME and are timestamps of whole days, the prices numeric, the discounts double precision.

-- query: an order with its details and discounts
SELECT o."OrderID", o."OrderDate", c."CompanyName", p."ProductName", d."Quantity", d."UnitPrice", d."Discount",
       round(d."UnitPrice" * d."Quantity" * (1 - d."Discount"), 2)
FROM "Orders" o JOIN "Customers" c ON c."CustomerID" = o."CustomerID"
JOIN "Order Details" d ON d."OrderID" = o."OrderID" JOIN "Products" p ON p."ProductID" = d."ProductID"
WHERE o."OrderID" = 10260 ORDER BY p."ProductID"
-- postgresql: round() to digits takes a numeric, not a double precision
SELECT o."OrderID", o."OrderDate", c."CompanyName", p."ProductName", d."Quantity", d."UnitPrice", d."Discount",
       round((d."UnitPrice" * d."Quantity" * (1 - d."Discount"))::numeric, 2)
FROM "Orders" o JOIN "Customers" c ON c."CustomerID" = o."CustomerID"
JOIN "Order Details" d ON d."OrderID" = o."OrderID" JOIN "Products" p ON p."ProductID" = d."ProductID"
WHERE o."OrderID" = 10260 ORDER BY p."ProductID"

-- query: what is to be ordered again
SELECT "ProductID", "ProductName", "UnitsInStock", "UnitsOnOrder", "ReorderLevel" FROM "Products"
WHERE "UnitsInStock" + "UnitsOnOrder" <= "ReorderLevel" AND "Discontinued" = 0 ORDER BY "ProductID"
-- postgresql: text is not compared with a number; the column holds the texts '0' and '1'
SELECT "ProductID", "ProductName", "UnitsInStock", "UnitsOnOrder", "ReorderLevel" FROM "Products"
WHERE "UnitsInStock" + "UnitsOnOrder" <= "ReorderLevel" AND "Discontinued" = '0' ORDER BY "ProductID"

-- query: orders that were shipped late
SELECT "OrderID", "RequiredDate", "ShippedDate" FROM "Orders" WHERE "ShippedDate" > "RequiredDate" ORDER BY "OrderID"

-- query: orders of a month
SELECT "OrderID", "OrderDate", "Freight" FROM "Orders"
WHERE "OrderDate" BETWEEN '2017-03-01' AND '2017-03-31' ORDER BY "OrderDate", "OrderID"

-- query: how many days shipping took
SELECT "ShipCountry", avg(julianday("ShippedDate") - julianday("OrderDate")) FROM "Orders"
WHERE "ShippedDate" IS NOT NULL GROUP BY "ShipCountry" ORDER BY "ShipCountry"
-- postgresql: the difference of two timestamps is an interval
SELECT "ShipCountry", avg(extract(epoch FROM "ShippedDate" - "OrderDate") / 86400) FROM "Orders"
WHERE "ShippedDate" IS NOT NULL GROUP BY "ShipCountry" ORDER BY "ShipCountry"

-- query: an employee's sales per year
SELECT e."LastName", CAST(strftime('%Y', o."OrderDate") AS INTEGER), count(*), sum(o."Freight")
FROM "Employees" e JOIN "Orders" o ON o."EmployeeID" = e."EmployeeID" GROUP BY 1, 2 ORDER BY 1, 2
-- postgresql: parts of a time by extract()
SELECT e."LastName", extract(year FROM o."OrderDate")::integer, count(*), sum(o."Freight")
FROM "Employees" e JOIN "Orders" o ON o."EmployeeID" = e."EmployeeID" GROUP BY 1, 2 ORDER BY 1, 2

-- query: customers without an order
SELECT c."CustomerID", c."CompanyName" FROM "Customers" c
LEFT JOIN "Orders" o ON o."CustomerID" = c."CustomerID" WHERE o."OrderID" IS NULL ORDER BY c."CustomerID"

-- query: employees with their managers
SELECT e."EmployeeID", e."LastName", IFNULL(m."LastName", '-') FROM "Employees" e
LEFT JOIN "Employees" m ON m."EmployeeID" = e."ReportsTo" ORDER BY e."EmployeeID"
-- postgresql: IFNULL is coalesce, which SQLite has too
SELECT e."EmployeeID", e."LastName", coalesce(m."LastName", '-') FROM "Employees" e
LEFT JOIN "Employees" m ON m."EmployeeID" = e."ReportsTo" ORDER BY e."EmployeeID"

-- query: categories whose products are dear on average
SELECT c."CategoryName", avg(p."UnitPrice") AS price FROM "Categories" c
JOIN "Products" p ON p."CategoryID" = c."CategoryID" GROUP BY c."CategoryID"
HAVING avg(p."UnitPrice") > 25 ORDER BY price DESC

-- query: a view that was carried
SELECT * FROM "Order Subtotals" WHERE "Subtotal" > 5000 ORDER BY "OrderID"

-- query: the pictures, by their size
SELECT "CategoryName", length("Picture") FROM "Categories" ORDER BY "CategoryID"

-- query: cities where customers and suppliers are
SELECT "City" FROM "Customers" INTERSECT SELECT "City" FROM "Suppliers" ORDER BY 1
