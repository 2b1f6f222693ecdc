"""Hostile and broken files, made from nothing: the same ones every time, none kept in the repository.

`damage` breaks good files, `headers` and `exif` lie about what is in them, `bombs` are larger than they
look, `foreign` is something else, `colours` are good but odd, `forms` are bodies around a file.
"""

from collections.abc import Iterator

from tests.support.corpus import bombs, colours, damage, exif, foreign, headers

SEED = 20_240_229


def files() -> Iterator[tuple[str, bytes]]:
    """All files, each with a name that says what is wrong with it; no name comes twice."""
    yield from damage.files(SEED)
    yield from headers.files()
    yield from exif.files()
    yield from bombs.files()
    yield from foreign.files()
    yield from colours.files()
