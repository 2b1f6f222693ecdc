"""What gateway and inference share: settings, names, messages, errors, connections, processes."""
