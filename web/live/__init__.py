"""The browsers' WebSockets: `/ws`, its clients and their admission."""
