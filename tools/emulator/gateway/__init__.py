"""A local stand-in for the data plane of API Gateway's WebSocket APIs.

MiniStack holds the APIs that Terraform creates; this process serves their sockets. It reads routes, integrations and
authorizers through the public apigatewayv2 API, and invokes functions through the Lambda API. It keeps the limits and
close codes that AWS documents, so that results against it hold in AWS.
"""
