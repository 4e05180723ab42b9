"""The verdict as text."""

from typing import Final

from benchmarks.swaps.verdict import Verdict

LABELS: Final = {
    "calm": "no swaps at all",
    "between": "between swaps",
    "during": "during swaps",
    "loading": "  while models are loaded and tried",
    "rest": "  before and after that",
}


def text(found: Verdict) -> str:
    return "\n".join([*_delay_lines(found), *_loss_lines(found), *_swap_lines(found), _conclusion(found), ""])


def _delay_lines(found: Verdict) -> list[str]:
    head = f"{'end of speech -> final, ms':<36}{'p50':>9}{'p95':>9}{'p99':>9}{'most':>9}{'count':>8}"
    rows = [(LABELS[name], each) for name, each in found.finals.items()] + [("frames sent late by the clients", found.late)]
    lines = [f"{name:<36}{each.p50:>9.0f}{each.p95:>9.0f}{each.p99:>9.0f}{each.most:>9.0f}{each.num:>8}" for name, each in rows]
    return [
        f"{found.num_streams} streams, {len(found.swaps)} swaps",
        head,
        *lines,
        f"p95 during / between: {found.p95_ratio:.2f}",
    ]


def _loss_lines(found: Verdict) -> list[str]:
    return [
        f"sessions: {found.num_sessions - len(found.failures)} of {found.num_sessions} complete, with the finals that are "
        f"stored; {found.num_finals} finals with swaps, {found.num_changes} times model_changed",
        f"clips without a final: {found.num_missed} with swaps, {found.num_missed_calm} without; lost by swaps: "
        f"{len(found.lost)}",
        f"word error of the same sessions: {found.word_error:.2f} % with swaps, {found.word_error_calm:.2f} % without, of "
        f"{found.num_words} words",
    ]


def _swap_lines(found: Verdict) -> list[str]:
    names = sorted(found.rss_before_mib)
    head = f"{'swap':>4}  {'to':<28}{'outcome':<9}{'s':>6}{'loading s':>11}  MiB after (most during): {', '.join(names)}"
    before = "  ".join(f"{found.rss_before_mib[name]:.0f}" for name in names)
    lines = [head, f"{'':<60}{before}"]
    for number, swap in enumerate(found.swaps, 1):
        loading_s = swap.loading.to_s - swap.loading.from_s if swap.loading else 0.0
        memory = "  ".join(f"{swap.rss_mib[name]:.0f} ({swap.most_rss_mib[name]:.0f})" for name in names)
        lines.append(f"{number:>4}  {swap.to_name:<28}{swap.state:<9}{swap.seconds:>6.1f}{loading_s:>11.1f}  {memory}")
    return [*lines, f"most growth from the first to the last swap to the same model: {found.growth_mib:+.0f} MiB"]


def _conclusion(found: Verdict) -> str:
    late = "; the clients were late themselves, so the delays are not the server's alone" if found.is_late else ""
    return "verdict: " + ("; ".join(found.broken_rules()) or "held") + late
