"""Tables, CSV and the comparison of two measurements."""

import csv
import io
from typing import Any

Row = dict[str, Any]
HEAD = (
    "| layer | × plain: forward | forward + backward | floor | aim | × faster than the peer: forward "
    "| forward + backward | aim |\n|---|--:|--:|--:|--:|--:|--:|--:|"
)
MEMORY_HEAD = (
    "| layer | kept for the backward, MB: plain | ours | peer | most at once, MB: plain | ours | peer |\n"
    "|---|--:|--:|--:|--:|--:|--:|"
)
CSV_COLUMNS = (
    *("row", "setting", "candidate", "forward_ms", "forward_low", "forward_high", "step_ms", "step_low", "step_high"),
    *("rounds", "tflops_per_second", "saved_bytes", "peak_bytes"),
)


def speed_table(rows: list[Row]) -> str:
    """Make the table of ratios, with what is aimed at and whether it is reached."""
    return "\n".join([HEAD, *(speed_line(row) for row in rows)])


def speed_line(row: Row) -> str:
    """Make a row of it."""
    aims, ratios = row["aims"], row["ratios"]
    plain, peer = ratios.get("step_plain"), ratios.get("step_peer")
    cells = [
        label(row),
        _cell(ratios.get("forward_plain")),
        _cell(plain),
        f"{aims['floor']:g}" if aims["floor"] else "",
        _aim("≤", aims["at_most"], plain),
        _cell(ratios.get("forward_peer")) if "peer" not in row["troubles"] else "does not run",
        _cell(peer),
        _aim("≥", aims["at_least"], peer),
    ]
    return f"| {' | '.join(cells)} |"


def label(row: Row) -> str:
    """Name a row and, where it is not the usual one, its setting."""
    return row["label"] if row["setting"] == "float32, eager" else f"{row['label']}; {row['setting']}"


def _cell(ratio: dict[str, float] | None) -> str:
    """Median (quartiles), and the number of rounds where they are too few for quartiles."""
    if ratio is None:
        return ""
    places = 2 if ratio["median"] < 20 else 0
    median, low, high = (f"{ratio[key]:.{places}f}" for key in ("median", "low", "high"))
    return f"{median} ({low}–{high})" + (f", {ratio['rounds']} rounds" if ratio["rounds"] < 7 else "")


def _aim(sign: str, aim: float | None, ratio: dict[str, float] | None) -> str:
    if aim is None:
        return ""
    if ratio is None:
        return f"{sign} {aim:g}"
    reached = ratio["median"] <= aim if sign == "≤" else ratio["median"] >= aim
    return f"{sign} {aim:g}: {'reached' if reached else '**missed**'}"


def memory_table(rows: list[Row]) -> str:
    """Make the table of bytes, beside the input and the parameters."""
    lines = []
    for row in rows:
        found = row["candidates"]
        figures = [
            f"{found[name][key] / 1e6:.1f}" if name in found else ""
            for key in ("saved_bytes", "peak_bytes")
            for name in ("plain", "ours", "peer")
        ]
        lines.append(f"| {label(row)} | {' | '.join(figures)} |")
    return "\n".join([MEMORY_HEAD, *lines])


def rates_table(rows: list[Row]) -> str:
    """Make the table of times and of how busy the contractions keep the device."""
    head = "| layer | plain, ms | TF/s | ours, ms | TF/s | peer, ms |\n|---|--:|--:|--:|--:|--:|"
    return "\n".join([head, *(_rates_line(row) for row in rows)])


def _rates_line(row: Row) -> str:
    cells = []
    for name in ("plain", "ours", "peer"):
        figures = row["candidates"].get(name)
        cells.append(f"{1000 * figures['step_seconds']['median']:.3g}" if figures else "")
        if name != "peer":
            rate = figures["tflops_per_second"] if figures else 0
            cells.append(f"{rate:.3g}" if rate else "")
    return f"| {label(row)} | {' | '.join(cells)} |"


def as_csv(rows: list[Row]) -> str:
    """Give one line for each row and candidate."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        for name, figures in row["candidates"].items():
            writer.writerow({"row": row["row"], "setting": row["setting"], "candidate": name} | _csv_figures(figures))
    return text.getvalue()


def _csv_figures(figures: dict[str, Any]) -> dict[str, Any]:
    found = {key: figures[key] for key in ("tflops_per_second", "saved_bytes", "peak_bytes")}
    for what in ("forward", "step"):
        seconds = figures[f"{what}_seconds"]
        found |= {f"{what}_ms": 1000 * seconds["median"]}
        found |= {f"{what}_{end}": 1000 * seconds[end] for end in ("low", "high")}
    found["rounds"] = figures["step_seconds"]["rounds"]
    return {key: value if isinstance(value, int) else f"{value:.4g}" for key, value in found.items()}


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Say which ratios and bytes have changed; ratios by more than the quartiles of both allow."""
    old = {(row["row"], row["setting"]): row for row in before["rows"]}
    found = [
        f"measured with {key}: {before['circumstances'].get(key)} → {value}"
        for key, value in now["circumstances"].items()
        if key not in ("date", "commit") and before["circumstances"].get(key) != value
    ]
    for row in now["rows"]:
        earlier = old.get((row["row"], row["setting"]))
        if earlier is not None:
            found += [f"{label(row)}: {change}" for change in _row_changes(earlier, row)]
    return found


def _row_changes(old: Row, new: Row) -> list[str]:
    found = []
    for key, ratio in new["ratios"].items():
        was = old["ratios"].get(key)
        if was is not None and (ratio["low"] > was["high"] or ratio["high"] < was["low"]):
            found.append(f"{key.replace('_', ' / ')} {_cell(was)} → {_cell(ratio)}")
    for key in ("saved_bytes", "peak_bytes"):
        now, then = (row["candidates"].get("ours", {}).get(key) for row in (new, old))
        if now != then:
            found.append(f"{key.replace('_', ' ')} {then} → {now}")
    return found
