"""API keys: the file they stand in, as hashes, and ``python -m gateway.api_keys`` that writes it.

A line of the file (TOML) is a key; whoever has read it still has none:

    alice = { scopes = ["classify", "feedback"], sha256 = "9f86d0…", quota_per_minute = 60 }

The key itself, ``pictor_alice_<256 random bits>``, is shown once, when it is made. Its name finds the
line, and what is compared is a hash. SHA-256 will do: slow hashes are for secrets that can be guessed.
"""

import argparse
import hashlib
import hmac
import re
import secrets
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from common.errors import StartError
from common.settings import Settings
from gateway import keys_file

Scope = Literal["classify", "feedback", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
SECRET_BYTES: Final = 32
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
NAME_RULE: Final = "a name is lower-case letters, digits and '-', at most 32"
NO_HASH: Final = "0" * 64  # of no key; compared with where a name is unknown


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a line says of its key.

    Attributes:
        scopes: what it opens; none includes another.
        sha256: of the whole key, in hex.
        quota_per_minute: its own instead of PICTOR_QUOTA_PER_MINUTE; 0 for none.
    """

    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    quota_per_minute: Annotated[int, Meta(ge=0)] | None = None


def make(name: str) -> str:
    """A new key; nobody can tell it again."""
    return f"pictor_{name}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hashed(key: str) -> str:
    """What stands in the file for a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def find(keys: Mapping[str, Key], given: str) -> tuple[str, Key] | None:
    """The name and the line of a key that somebody has sent.

    The name is public and may be looked up; the rest takes as long to compare whatever is wrong.
    """
    _, _, rest = given.partition("_")
    name = rest.partition("_")[0]
    key = keys.get(name)
    expected = key.sha256 if key is not None else NO_HASH
    right = hmac.compare_digest(hashed(given), expected)
    return (name, key) if right and key is not None else None


def parse(text: str, where: str = "the keys file") -> dict[str, Key]:
    """The keys in a file's text, by name.

    Raises:
        StartError: a line is wrong; says which, and what was expected.
    """
    try:
        lines = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StartError(f"{where}: {error}") from None
    found = {}
    for name, fields in lines.items():
        if NAME.fullmatch(name) is None:
            raise StartError(f"{where}: {name!r}: {NAME_RULE}")
        try:
            found[name] = msgspec.convert(fields, Key)
        except msgspec.ValidationError as error:
            raise StartError(
                f"{where}, line {_line(text, name)}: {name}: {error}"
            ) from None
    return found


def read(path: Path) -> dict[str, Key]:
    """The keys in a file, by name; raises StartError with one line that names the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartError(
            f"PICTOR_API_KEYS_FILE {path} cannot be read: {reason}; "
            "python -m gateway.api_keys add makes one"
        ) from None
    return parse(text, str(path))


def _line(text: str, name: str) -> int:
    """The line a key stands in, counted from 1."""
    start = re.search(rf"^[\s\[\"']*{re.escape(name)}\b", text, re.MULTILINE)
    return text.count("\n", 0, start.end()) + 1 if start else 1


def _written(name: str, key: Key) -> str:
    fields = msgspec.to_builtins(key)
    scopes = ", ".join(f'"{scope}"' for scope in fields["scopes"])
    quota = fields.get("quota_per_minute")
    own = "" if quota is None else f", quota_per_minute = {quota}"
    return f'{name} = {{ scopes = [{scopes}], sha256 = "{key.sha256}"{own} }}'


def add(path: Path, name: str, scopes: tuple[Scope, ...], quota: int | None) -> str:
    """Writes a new key's line and returns the key.

    Raises:
        StartError: there is such a name, or the file cannot be read or written.
    """
    if NAME.fullmatch(name) is None:
        raise StartError(f"{name!r}: {NAME_RULE}")
    key = make(name)
    with keys_file.locked(path):
        text = path.read_text(encoding="utf-8") if path.exists() else keys_file.HEAD
        before = parse(text, str(path))
        if name in before:
            raise StartError(f"{path} has a key {name} already; remove that one first")
        made = Key(scopes, hashed(key), quota)
        changed = keys_file.with_line(text, _written(name, made))
        if parse(changed, str(path)) != before | {name: made}:
            raise StartError(f"{path} has no place for a line; edit it, a key a line")
        keys_file.write(path, changed)
    return key


def remove(path: Path, name: str) -> None:
    """Takes a key's line out; raises StartError where there is none."""
    with keys_file.locked(path):
        before = read(path)
        if name not in before:
            raise StartError(f"{path} has no key {name}")
        changed = keys_file.without_line(path.read_text(encoding="utf-8"), name)
        if parse(changed, str(path)).keys() != before.keys() - {name}:
            raise StartError(f"{name} takes more than a line of {path}; edit the file")
        keys_file.write(path, changed)


def _path(given: str | None) -> Path:
    path = Path(given).expanduser() if given else Settings.load().api_keys_path
    if path is None:
        raise StartError("which file? set PICTOR_API_KEYS_FILE, or name it with --file")
    return path


def _scopes(text: str) -> tuple[Scope, ...]:
    wanted = {part.strip() for part in text.split(",")}
    chosen = tuple(scope for scope in SCOPES if scope in wanted)
    if not chosen or wanted - set(SCOPES):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(SCOPES)}")
    return chosen


def _quota(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("expected requests a minute, 0 for no bound")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m gateway.api_keys")
    parts = parser.add_subparsers(dest="part", required=True)
    adding = parts.add_parser("add", help="makes a key and prints it, once")
    listing = parts.add_parser("list", help="names, scopes and quotas")
    removing = parts.add_parser("remove", help="the key is refused from then on")
    for one in (adding, removing):
        one.add_argument("name")
    adding.add_argument("--scopes", type=_scopes, required=True, help=",".join(SCOPES))
    adding.add_argument("--quota", type=_quota, help="requests a minute; 0: no bound")
    for one in (adding, listing, removing):
        one.add_argument("--file", help="instead of PICTOR_API_KEYS_FILE")
    given = parser.parse_args(arguments)
    try:
        path = _path(given.file)
        if given.part == "add":
            print(add(path, given.name, given.scopes, given.quota))
        elif given.part == "remove":
            remove(path, given.name)
        else:
            for name, key in read(path).items():
                quota = key.quota_per_minute
                own = "" if quota is None else f", {quota or 'any number'} a minute"
                print(f"{name}: {', '.join(key.scopes)}{own}")
    except StartError as error:
        print(f"pictor: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
