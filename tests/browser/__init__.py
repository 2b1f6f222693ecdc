"""The pages in a real browser, over a whole running Pictor.

Apart from the other tests, in a session of their own: Playwright's loop and pytest-asyncio's do not get on.
"""
