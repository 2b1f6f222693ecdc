"""The HTTP side: from a request's headers to its answer, by way of Redis."""
