"""The routes, one module a resource. Each is a few lines: translate, call, translate."""
