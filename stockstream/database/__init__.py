"""The database server and the ways to it: a gateway, pools, queries, migrations, dumps."""
