"""Settings: read once, checked, and a wrong one is named in one line."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SettingsError
from common.settings import PREFIX, Settings

NAMES = Settings.__struct_encode_fields__


@pytest.fixture(autouse=True)
def _no_settings_of_this_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def refusal(**values: str) -> str:
    """What is said of these settings; one line, whatever they hold."""
    with pytest.raises(SettingsError) as caught:
        Settings.parse(values)
    text = str(caught.value)
    assert text.splitlines() == [text]
    return text


def test_the_defaults_are_those_of_the_design() -> None:
    settings = Settings.parse({})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.gateways) == ("127.0.0.1", 8000, 1)
    assert (settings.redis_url, settings.redis_maxmemory_mb) == ("", 1024)
    assert (settings.durability, settings.engine) == ("everysec", "auto")
    assert settings.model == "efficientnet_lite0"
    assert (settings.precision, settings.decoders) == ("auto", 0)
    assert (settings.max_batch, settings.latency_target_ms) == (0, 250)
    assert (settings.deadline_s, settings.result_ttl_s) == (10, 300)
    assert settings.cache_ttl_s == 3600
    assert settings.max_upload_bytes == 20_000_000
    assert settings.max_pixels == 64_000_000
    assert settings.max_backlog_interactive == 2000
    assert settings.max_backlog_bulk == 20000
    assert settings.worker_metrics_port == 9101


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PICTOR_PORT=8001\nPICTOR_WORKERS=3\n")
    monkeypatch.setenv("PICTOR_PORT", "8002")
    settings = Settings.load(dotenv)
    assert (settings.port, settings.workers) == (8002, 3)


def test_the_file_is_parsed_never_run(tmp_path: Path) -> None:
    """Quotes and comments are understood, ``$`` is a character like another."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("# ours\nPICTOR_DATA_DIR='$HOME/x'  # here\nexport UID=5\n")
    assert Settings.load(dotenv).data_dir == "$HOME/x"


def test_a_file_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert Settings.load(tmp_path / "none") == Settings()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_value_means_the_default(name: str, empty: str) -> None:
    assert Settings.parse({name: empty}) == Settings()


def test_names_without_the_prefix_are_others_business() -> None:
    assert Settings.parse({"PORT": "x", "UID": "0", "MY_PICTOR_X": ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("PORT", "8000\n9000"),
        ("WORKER_METRICS_PORT", "-1"),
        ("GATEWAYS", "0"),
        ("WORKERS", "-1"),
        ("WORKERS", "two"),
        ("MAX_BATCH", "513"),
        ("REDIS_MAXMEMORY_MB", "255"),
        ("DURABILITY", "sometimes"),
        ("ENGINE", "onnx"),
        ("LOG_LEVEL", "INFO"),
        ("LATENCY_TARGET_MS", "0"),
        ("DEADLINE_S", "0"),
        ("DEADLINE_S", "ten"),
        ("DEADLINE_S", "700000"),
        ("CACHE_TTL_S", "-1"),
        ("MAX_UPLOAD_MB", "0"),
        ("MAX_UPLOAD_MB", "513"),
        ("MAX_MEGAPIXELS", "1001"),
        ("MAX_BACKLOG_BULK", "0"),
        ("MAX_BYTES_IN_FLIGHT_MB", "0.5"),
        ("QUOTA_PER_MINUTE", "-1"),
        ("QUOTA_PER_MINUTE", "1.5"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "nginx"),
        ("TRUSTED_PROXIES", "::1\n::2"),
        ("CORS_ORIGINS", "app.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/"),
        ("CORS_ORIGINS", "*,https://app.example.com"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(name: str, value: str) -> None:
    assert refusal(**{PREFIX + name: value}).startswith(f"PICTOR_{name}={value!r}: ")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "NaN", "Infinity"])
@pytest.mark.parametrize(
    "name", [n for n in NAMES if n.endswith(("_S", "_MS", "UPLOAD_MB", "MEGAPIXELS"))]
)
def test_what_is_no_finite_number_is_refused(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith(f"{name}=")


def test_a_wrong_choice_is_told_the_right_ones() -> None:
    assert refusal(PICTOR_DURABILITY="x").endswith(
        "expected none or everysec or always"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PICTOR_WORKER", "did you mean PICTOR_WORKERS?"),
        ("PICTOR_DEADLINE", "did you mean PICTOR_DEADLINE_S?"),
        ("PICTOR_ZZZZZZZZZZZZZZ", "README.md lists all settings"),
    ],
)
def test_a_misspelt_name_is_refused_with_a_suggestion(name: str, hint: str) -> None:
    text = refusal(**{name: "1"})
    assert text.startswith(f"{name}: ")
    assert text.endswith(hint)


@pytest.mark.parametrize(
    ("ttl", "deadline", "right"),
    [("19", "10", False), ("20", "10", True), ("300", "151", False)],
)
def test_a_result_outlives_two_deadlines(ttl: str, deadline: str, right: bool) -> None:
    values = {"PICTOR_RESULT_TTL_S": ttl, "PICTOR_DEADLINE_S": deadline}
    if right:
        assert Settings.parse(values).result_ttl_s == float(ttl)
    else:
        assert refusal(**values).startswith(f"PICTOR_RESULT_TTL_S={ttl}: ")


words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "PICTOR_HOST": words,
        "PICTOR_PORT": st.integers(1, 65535).map(str),
        "PICTOR_WORKERS": st.integers(0, 10**6).map(str),
        "PICTOR_REDIS_URL": words,
        "PICTOR_DATA_DIR": words,
        "PICTOR_MODEL": words,
        "PICTOR_DURABILITY": st.sampled_from(["none", "everysec", "always"]),
        "PICTOR_LATENCY_TARGET_MS": st.floats(1, 60_000).map(str),
        "PICTOR_DEADLINE_S": st.floats(1e-6, 100).map(str),
        "PICTOR_RESULT_TTL_S": st.floats(200, 7 * 86_400).map(str),
        "PICTOR_CACHE_TTL_S": st.floats(0, 7 * 86_400).map(str),
        "PICTOR_MAX_UPLOAD_MB": st.floats(1e-3, 512).map(str),
    },
)


@given(SETTINGS)
def test_a_child_reads_what_its_parent_meant(values: dict[str, str]) -> None:
    """Settings survive the way through an environment unchanged."""
    settings = Settings.parse(values)
    assert Settings.parse(settings.environment()) == settings


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet50", "resnet50"),
        ("/models/my flowers", "my_flowers"),
        ("models/flowers/", "flowers"),
        ("./a{0}:b", "a_0__b"),
    ],
)
def test_a_models_name_in_redis_is_the_last_part_of_its_path(
    model: str, name: str
) -> None:
    assert Settings.parse({"PICTOR_MODEL": model}).model_name == name


@given(st.text(min_size=1).filter(str.strip))
def test_a_models_name_is_safe_within_a_key(model: str) -> None:
    name = Settings.parse({"PICTOR_MODEL": model}).model_name
    assert re.fullmatch(r"[A-Za-z0-9_.-]*", name)


def test_lists_are_read() -> None:
    settings = Settings.parse(
        {
            "PICTOR_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "PICTOR_CORS_ORIGINS": "https://a.example:443,http://b:81",
        }
    )
    assert [str(one) for one in settings.proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.origins == {"https://a.example", "http://b:81"}
    assert (Settings().proxies, Settings().origins) == ((), frozenset())


@pytest.mark.parametrize(
    ("host", "file", "unguarded"),
    [
        ("127.0.0.1", "", False),
        ("0.0.0.0", "", True),
        ("0.0.0.0", "keys.toml", False),
        ("127.0.0.1", "keys.toml", False),
    ],
)
def test_a_warning_is_due_where_all_may_come_in(
    host: str, file: str, unguarded: bool
) -> None:
    values = {"PICTOR_HOST": host, "PICTOR_API_KEYS_FILE": file}
    assert Settings.parse(values).unguarded is unguarded


def test_the_keys_file_may_lie_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = Settings.parse({"PICTOR_API_KEYS_FILE": "~/keys.toml"})
    assert settings.api_keys_path == Path("/home/somebody/keys.toml")
    assert Settings().api_keys_path is None


def test_only_what_is_kept_in_the_bulk_lane_may_wait_past_the_deadline() -> None:
    settings = Settings(deadline_s=10, result_ttl_s=300)
    assert settings.patience_s("bulk", keep=True) == 300
    assert settings.patience_s("bulk", keep=False) == 10
    assert settings.patience_s("interactive", keep=True) == 10


def test_where_and_as_whom_the_command_asks_is_no_setting() -> None:
    given = {"PICTOR_URL": "http://127.0.0.1:8000", "PICTOR_KEY": "key"}
    assert Settings.parse(given) == Settings()
