"""N-grams as text."""

from pathlib import Path

PRUNED = {
    1: "-1.2 <unk>|-99 <s> -0.4|-0.9 </s>|-0.7 a -0.3|-0.8 b -0.2|-1.1 c|-1.3 d -0.1",
    2: "-0.4 <s> a -0.2|-0.5 a b -0.6|-0.3 b c -0.25|-0.9 c </s>|-0.35 d b 0|-0.7 c a -0.02",
    3: "-0.2 <s> a b -0.15|-0.3 a b d -0.05|-0.6 d b c|-0.55 b c </s>|-0.25 c a b|-0.65 b c a",
    4: "-0.1 <s> a b c|-0.45 a b d </s>",
}
"""The ends of some are missing: "b d", "d </s>", "a b c" and "b d </s>". KenLM itself has no room for more."""


def arpa_at(path: Path, levels: dict[int, str]) -> Path:
    """levels: by length, n-grams with a bar between two of them."""
    head = "".join(f"ngram {length}={len(lines.split('|'))}\n" for length, lines in levels.items())
    bodies = "".join(f"\\{length}-grams:\n{rows_of(lines)}\n" for length, lines in levels.items())
    path.write_text(f"\\data\\\n{head}\n{bodies}\\end\\\n", encoding="utf-8")
    return path


def rows_of(lines: str) -> str:
    return "".join(f"{tabbed(line)}\n" for line in lines.split("|"))


def tabbed(line: str) -> str:
    """Probability, words and, where there is one, backoff."""
    first, *rest = line.split()
    has_backoff = rest[-1].lstrip("-").replace(".", "").isdigit()
    words = " ".join(rest[:-1] if has_backoff else rest)
    return "\t".join([first, words, *(rest[-1:] if has_backoff else [])])
