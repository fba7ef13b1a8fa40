-- Django's own applications, as its ORM writes the queries.

-- query: a user by name, for the login
SELECT "auth_user"."id", "auth_user"."password", "auth_user"."last_login", "auth_user"."is_superuser",
       "auth_user"."username", "auth_user"."is_staff", "auth_user"."is_active", "auth_user"."date_joined"
FROM "auth_user" WHERE "auth_user"."username" = 'user007' LIMIT 21

-- query: the permissions that a user has through groups
SELECT DISTINCT "django_content_type"."app_label", "auth_permission"."codename"
FROM "auth_permission"
INNER JOIN "auth_group_permissions" ON ("auth_permission"."id" = "auth_group_permissions"."permission_id")
INNER JOIN "auth_group" ON ("auth_group_permissions"."group_id" = "auth_group"."id")
INNER JOIN "auth_user_groups" ON ("auth_group"."id" = "auth_user_groups"."group_id")
INNER JOIN "django_content_type" ON ("auth_permission"."content_type_id" = "django_content_type"."id")
WHERE "auth_user_groups"."user_id" = 2 ORDER BY 1, 2

-- query: a session that has not expired
SELECT "session_key", "session_data", "expire_date" FROM "django_session"
WHERE "expire_date" > '2026-12-05 00:21:41.150000' ORDER BY "expire_date" LIMIT 3

-- query: the admin log
SELECT l."id", l."action_time", u."username", c."model", l."object_repr", l."action_flag", l."change_message"
FROM "django_admin_log" l
INNER JOIN "auth_user" u ON (l."user_id" = u."id")
LEFT OUTER JOIN "django_content_type" c ON (l."content_type_id" = c."id")
ORDER BY l."action_time" DESC LIMIT 10

-- query: staff, as raw SQL of an application tests it
SELECT count(*) FROM "auth_user" WHERE "is_staff" = 0 AND "is_active" = 1
-- postgresql: a boolean is no number
SELECT count(*) FROM "auth_user" WHERE NOT "is_staff" AND "is_active"

-- query: staff, as the ORM tests it
SELECT count(*) FROM "auth_user" WHERE (NOT "auth_user"."is_staff" AND "auth_user"."is_active")

-- query: icontains
SELECT "id", "username" FROM "auth_user" WHERE "email" LIKE '%U19%' ESCAPE '\' ORDER BY "id"
-- postgresql: what Django writes for PostgreSQL
SELECT "id", "username" FROM "auth_user" WHERE UPPER("email"::text) LIKE UPPER('%U19%') ORDER BY "id"

-- query: what was done per day
SELECT date("action_time"), "action_flag", count(*) FROM "django_admin_log" GROUP BY 1, 2 ORDER BY 1, 2

-- query: how many changes an entry tells of
SELECT json_array_length("change_message"), count(*) FROM "django_admin_log" GROUP BY 1 ORDER BY 1

-- query: users who have never logged in
SELECT "id" FROM "auth_user" WHERE "last_login" IS NULL ORDER BY "id" LIMIT 5

-- change: clearsessions
DELETE FROM "django_session" WHERE "expire_date" < '2026-12-05 00:21:41.150000'
-- then: what is left
SELECT "session_key", "expire_date" FROM "django_session" ORDER BY "session_key"
