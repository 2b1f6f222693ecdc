"""The images and docker-compose.yml, built and run for real: ``make test-containers``.

Arm images are not built here, there being no arm machine; that the lock files have wheels for arm64
is what can be checked, and `test_files` does.
"""
