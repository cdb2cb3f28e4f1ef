"""HTTP: the API, the dashboard, and what their endpoints share."""
