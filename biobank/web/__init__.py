"""The edge: one unit of work per request, problems, paging, OpenAPI. Knows no capability."""
