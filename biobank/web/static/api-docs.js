// Starts Swagger UI on this installation's own description; nothing is asked of anybody else (no validator badge).
window.SwaggerUIBundle({ url: "/api/v1/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
