"""What is answered where, a module for each face of the service."""
