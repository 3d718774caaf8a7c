"""For a browser's socket: `/ws`, its clients and their admission."""
