"""What Pictor measures of itself: the in-process limit, throughput, accuracy, load by Locust.

Run from the top of the repository, with the environment that Pictor itself runs with.
"""
