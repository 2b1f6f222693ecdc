import gzip
from pathlib import Path

from common.settings import Settings
from gateway import assets
from gateway.app import create_app

TEXT = b"body { margin: 0 }\n" * 50


def test_files_are_read_with_those_in_folders_and_packed_where_it_pays(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/long.css").write_bytes(TEXT)
    (tmp_path / "short.js").write_bytes(b"1;")
    (tmp_path / "notes.txt").write_bytes(b"not for the web")
    found = assets.read(tmp_path)
    assert set(found) == {"a/long.css", "short.js"}
    assert gzip.decompress(found["a/long.css"].packed) == TEXT
    assert found["short.js"].packed == b""
    assert found["a/long.css"].tag != found["short.js"].tag


async def test_a_file_is_sent_packed_to_who_can_unpack_it() -> None:
    client = create_app(Settings()).test_client()
    plain = await client.get("/static/pictor.css")
    packed = await client.get(
        "/static/pictor.css", headers={"Accept-Encoding": "br, gzip"}
    )
    refused = await client.get(
        "/static/pictor.css", headers={"Accept-Encoding": "gzip;q=0"}
    )
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in refused.headers
    assert gzip.decompress(await packed.get_data()) == await plain.get_data()
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["Content-Type"] == "text/css; charset=utf-8"


async def test_who_has_a_file_is_not_sent_it_again() -> None:
    client = create_app(Settings()).test_client()
    first = await client.get("/static/pictor.css")
    assert first.headers["Cache-Control"] == "no-cache"
    again = await client.get(
        "/static/pictor.css", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert again.status_code == 304
    assert await again.get_data() == b""
    other = await client.get("/static/pictor.css", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200


async def test_what_is_not_there_is_not_found() -> None:
    client = create_app(Settings()).test_client()
    for name in ("none.css", "../app.py", "%2e%2e/app.py", "a" * 5000):
        assert (await client.get(f"/static/{name}")).status_code == 404, name
