-- A shop that rents out films.

-- query: the films of an actor
SELECT f.film_id, f.title, f.rating, f.rental_rate FROM actor a
JOIN film_actor fa ON fa.actor_id = a.actor_id JOIN film f ON f.film_id = fa.film_id
WHERE a.first_name = 'PENELOPE' AND a.last_name = 'GUINESS' ORDER BY f.title

-- query: rentals that are overdue
SELECT r.rental_id, f.title, c.email FROM rental r
JOIN inventory i ON i.inventory_id = r.inventory_id JOIN film f ON f.film_id = i.film_id
JOIN customer c ON c.customer_id = r.customer_id
WHERE r.return_date IS NULL AND julianday('2005-09-01') - julianday(r.rental_date) > f.rental_duration
ORDER BY r.rental_id
-- postgresql: the difference of two timestamps is an interval
SELECT r.rental_id, f.title, c.email FROM rental r
JOIN inventory i ON i.inventory_id = r.inventory_id JOIN film f ON f.film_id = i.film_id
JOIN customer c ON c.customer_id = r.customer_id
WHERE r.return_date IS NULL AND '2005-09-01' - r.rental_date > f.rental_duration * interval '1 day'
ORDER BY r.rental_id

-- query: payments per month and employee
SELECT strftime('%Y-%m', payment_date), staff_id, count(*), sum(amount) FROM payment GROUP BY 1, 2 ORDER BY 1, 2
-- postgresql: strftime() of a timestamp is to_char()
SELECT to_char(payment_date, 'YYYY-MM'), staff_id, count(*), sum(amount) FROM payment GROUP BY 1, 2 ORDER BY 1, 2

-- query: search by title
SELECT film_id, title FROM film WHERE title LIKE '%dino%' ORDER BY title
-- postgresql: LIKE tells capitals apart
SELECT film_id, title FROM film WHERE title ILIKE '%dino%' ORDER BY title

-- query: the best customers, grouped by their key
SELECT c.customer_id, c.first_name, c.last_name, round(sum(p.amount), 2) AS paid FROM customer c
JOIN payment p ON p.customer_id = c.customer_id
GROUP BY c.customer_id ORDER BY paid DESC, c.customer_id LIMIT 10

-- query: each customer's latest rental
SELECT customer_id, rental_id, max(rental_date) FROM rental WHERE customer_id < 30 GROUP BY customer_id ORDER BY customer_id
-- postgresql: a column beside max() is that row's in SQLite only
SELECT DISTINCT ON (customer_id) customer_id, rental_id, rental_date FROM rental WHERE customer_id < 30
ORDER BY customer_id, rental_date DESC, rental_id

-- query: films that no shop has
SELECT film_id, title FROM film f WHERE NOT EXISTS (SELECT 1 FROM inventory i WHERE i.film_id = f.film_id) ORDER BY film_id

-- query: payments between two times
SELECT count(*), min(payment_date), max(payment_date) FROM payment
WHERE payment_date BETWEEN '2005-07-05 00:00:00' AND '2005-07-06 23:59:59'

-- query: what a category earns, by the view
SELECT category, total_sales FROM sales_by_film_category ORDER BY total_sales DESC

-- query: active customers; the column holds '1' and '0'
SELECT store_id, count(*) FROM customer WHERE active = '1' GROUP BY store_id ORDER BY store_id

-- query: films and their length in hours and minutes
SELECT title, length / 60, length % 60 FROM film WHERE rating IN ('G', 'PG-13') AND length > 180 ORDER BY title

-- query: customers with the rank of what they paid
SELECT customer_id, sum(amount), rank() OVER (ORDER BY round(sum(amount), 2) DESC) FROM payment
GROUP BY customer_id ORDER BY 3, 1 LIMIT 15
