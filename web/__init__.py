"""The front end: Quart-Trio on Hypercorn, the WebSocket endpoint, the API and the pages."""
