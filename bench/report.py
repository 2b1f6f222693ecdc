"""What `make bench` found, as Markdown for a person and JSON for a program."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure, Found

# What a round's facts are called in the table of rounds, in order.
COLUMNS: Final = {
    "rate": "a second",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "over_ms": "beyond decode and inference, ms",
    "work_ms": "decode + inference, ms",
    "ms": "ms of processor time",
    "memory": "bytes of memory a byte",
    "server_ms": "server's processor ms a request",
    "cores": "cores",
    "errors": "errors",
    "wrong": "wrong",
}


def as_json(parts: Mapping[str, Found], context: Mapping[str, Any], path: Path) -> None:
    """Writes every round's facts, the figures with their bars, and where they were measured."""
    figures = [_figure(one) for found in parts.values() for one in found.figures]
    rounds = {name: found.rounds for name, found in parts.items()}
    notes = {name: found.notes for name, found in parts.items()}
    whole = {**context, "figures": figures, "notes": notes, "rounds": rounds}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def _figure(one: Figure) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.heading,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "unit": one.unit,
        "bar": str(one.bar) if one.bar else None,
        "verdict": one.verdict,
    }


def rows(parts: Mapping[str, Found]) -> list[str]:
    """The table of figures, a line each."""
    lines = [
        "| figure | value | spread | bar | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for found in parts.values():
        for one in found.figures:
            unit = f" {one.unit}" * bool(one.unit)
            lines.append(
                f"| {one.heading} | **{number(one.value)}{unit}** "
                f"| {number(one.low)} to {number(one.high)} "
                f"| {one.bar or ''} | {one.verdict} |"
            )
    return lines


def number(value: float) -> str:
    """Three digits that mean something, never as a power of ten."""
    if abs(value) < 0.001:
        return f"{value:.3f}"
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def as_markdown(parts: Mapping[str, Found], context: Mapping[str, Any]) -> str:
    """The whole report."""
    machine, ran = context["machine"], context["pictor"].get("text", "")
    errors = sum(found.errors for found in parts.values())
    wrong = sum(found.wrong for found in parts.values())
    lines = [
        "# Pictor, measured",
        "",
        f"`python -m bench` on {machine['cores']} cores ({machine['processor']}), "
        f"{machine['kernel']}, Python {machine['python']}; {context['date']}. "
        f"{context['rounds']} rounds of {context['seconds']:g} s a side, in turns; "
        "whoever was not measured stood still. A value is the ratio of two medians, or a median; "
        "the spread is that of the single rounds. "
        f"{context['pictures']} different pictures, each made new to every cache; append-only file on, "
        f"`everysec`. {errors} errors, {wrong} wrong answers.",
        "",
        *([ran, ""] if ran else []),
        *(f"**{warning}**\n" for warning in context["warnings"]),
        *rows(parts),
        "",
        *(f"- {note}" for found in parts.values() for note in found.notes),
        *(f"- {who} was left out: {why}." for who, why in context["missing"].items()),
        "",
        *_rounds(parts),
        *_tried(context["tried"]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _rounds(parts: Mapping[str, Found]) -> list[str]:
    lines = ["## Every round", ""]
    for part, found in parts.items():
        facts = [one for rounds in found.rounds.values() for one in rounds]
        columns = [name for name in COLUMNS if any(name in one for one in facts)]
        heads = " | ".join(COLUMNS[name] for name in columns)
        lines += [f"### {part}", "", f"| side | round | {heads} |"]
        lines.append("| --- | --- |" + " --- |" * len(columns))
        for side, rounds in found.rounds.items():
            for at, one in enumerate(rounds, 1):
                cells = " | ".join(_cell(one.get(name)) for name in columns)
                lines.append(f"| {side} | {at} | {cells} |")
        lines.append("")
    return lines


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else number(value)


def _tried(tried: Mapping[str, Any]) -> list[str]:
    """Each side's configuration and why it is that one, and what was tried to find the best."""
    if not tried:
        return []
    lines = ["## Configurations tried", ""]
    lines += [f"- {side}: {one['used']}, {one['why']}." for side, one in tried.items()]
    lines += ["", "| side | configuration | a second | does not count | |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for side, sweep in tried.items():
        for configuration, one in sweep["tried"].items():
            best = "best" if configuration == sweep["best"] else ""
            flaw = one["flaw"].partition("\n")[0]
            rate = number(one["rate"])
            lines.append(f"| {side} | {configuration} | {rate} | {flaw} | {best} |")
    return lines
