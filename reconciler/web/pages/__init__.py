"""The dashboard: server-rendered pages for people, which work without a script."""

from reconciler.web.pages.app import page_routes

__all__ = ["page_routes"]
