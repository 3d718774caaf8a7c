"""The database server, and how one asks it: a gateway, pools, queries, migrations, dumps."""
