"""What Pictor measures of itself; ``python -m bench`` is the comparison, other modules one question each.

Run from the top of the repository, with the environment that Pictor itself runs with.
"""
