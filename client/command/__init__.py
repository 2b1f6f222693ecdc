"""The command ``pictor``, a module for each of its words."""
