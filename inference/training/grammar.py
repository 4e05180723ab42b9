"""Sentences of the domains of conformer-edge, made up at random: digit strings, spelled words, what a census clerk is told,
orders in a coffee bar. For language models and for synthesis; nobody has said them.
"""

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Final

import numpy as np

Rng = np.random.Generator

DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS: Final = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
    "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth", "thirtieth",
)  # fmt: skip
MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
CONTROLS: Final = ("yes", "no", "go", "help", "start", "stop", "repeat")
EDITS: Final = ("enter", "erase", "rubout")
LETTERS: Final = tuple("abcdefghijklmnopqrstuvwxyz")
OPENINGS: Final = (
    "can i get", "can i have", "may i have", "i want", "i'd like", "get me", "give me", "make me", "brew",
)  # fmt: skip
SIZES: Final = ("small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce")
ROASTS: Final = ("light roast", "medium roast", "dark roast")
SHOTS: Final = ("single shot", "double shot", "triple shot")
DRINKS: Final = (
    "coffee", "house coffee", "drip coffee", "iced coffee", "americano", "cappuccino", "espresso", "latte", "mocha", "iced mocha",
)  # fmt: skip
AMOUNTS: Final = ("", "", "some ", "a bit of ", "a little bit of ", "a lot of ", "lots of ")
ADDITIONS: Final = (
    "sugar", "brown sugar", "sweetener", "cream", "milk", "soy milk", "almond milk", "skim milk", "whole milk",
)  # fmt: skip


def names() -> tuple[str, ...]:
    """First names, surnames, streets and towns that people may have to spell."""
    return tuple((resources.files("inference.training") / "names.txt").read_text(encoding="utf-8").split())


def digit_string(rng: Rng) -> str:
    return " ".join(_any(DIGITS, rng) for _ in range(int(rng.integers(1, 11))))


def spoken_number(rng: Rng) -> str:
    """As people say them: with `oh`, in pairs, in hundreds or thousands, or digit by digit."""
    forms: tuple[Callable[[Rng], str], ...] = (_pairs, _hundreds, _oh_digits, _oh_digits, _pair, _area_code)
    return forms[int(rng.integers(len(forms)))](rng)


def date(rng: Rng) -> str:
    day = _any(ORDINALS, rng) if rng.random() < 0.7 else f"{_any(('twenty', 'thirty'), rng)} {_any(ORDINALS[:9], rng)}"
    year = f"nineteen {_pair(rng)}" if rng.random() < 0.8 else _pair(rng)
    written = _pair(rng) if rng.random() < 0.2 else day
    if rng.random() < 0.15:
        return f"{written} {_any(MONTHS, rng)} {year}"
    return f"{_any(MONTHS, rng)} {written} {year}"


def spelled_name(rng: Rng) -> str:
    return " ".join(_any(names(), rng))


def letters(rng: Rng) -> str:
    return " ".join(_any(LETTERS, rng) for _ in range(int(rng.integers(1, 8))))


def edit(rng: Rng) -> str:
    """An editing command: a verb, perhaps letters, a number."""
    verb = _any(EDITS, rng)
    return f"{verb} {spoken_number(rng)}" if rng.random() < 0.4 else f"{verb} {letters(rng)} {spoken_number(rng)}"


def control(rng: Rng) -> str:
    return _any(CONTROLS, rng)


def order(rng: Rng) -> str:
    """A coffee order as one asks for it at a bar."""
    details = [_any(choices, rng) for choices in (SIZES, ROASTS, SHOTS) if rng.random() < 0.5]
    drink = " ".join([*(details[place] for place in rng.permutation(len(details))), _any(DRINKS, rng)])
    num_additions = int(rng.choice(3, p=(0.3, 0.45, 0.25)))
    additions = [_any(AMOUNTS, rng) + _any(ADDITIONS, rng) for _ in range(num_additions)]
    rest = f" with {' and '.join(additions)}" if additions else ""
    return f"{_any(OPENINGS, rng)} {_article(drink)} {drink}{rest}"


FORMS: Final[dict[str, tuple[Callable[[Rng], str], float]]] = {
    "digits": (digit_string, 3.0),
    "numbers": (spoken_number, 2.0),
    "dates": (date, 1.0),
    "names": (spelled_name, 3.0),
    "letters": (letters, 0.5),
    "edits": (edit, 1.5),
    "controls": (control, 0.5),
    "orders": (order, 3.0),
}
"""What there is, and how much of it where all are mixed."""


def sentences(form: str, number: int, seed: int) -> list[str]:
    """So many of one form; the same for the same seed."""
    rng = np.random.default_rng([seed, sorted(FORMS).index(form)])
    return [FORMS[form][0](rng) for _ in range(number)]


def mixture(number: int, seed: int) -> list[str]:
    """So many of all forms, shuffled."""
    total = sum(weight for _, weight in FORMS.values())
    each = {form: round(number * weight / total) for form, (_, weight) in FORMS.items()}
    mixed = [sentence for form, count in each.items() for sentence in sentences(form, count, seed)]
    return [mixed[int(place)] for place in np.random.default_rng(seed).permutation(len(mixed))]


def _any(choices: Sequence[str], rng: Rng) -> str:
    return choices[int(rng.integers(len(choices)))]


def _pair(rng: Rng) -> str:
    """A number of two digits."""
    kind = rng.random()
    if kind < 0.2:
        return _any(TEENS, rng)
    return _any(TENS, rng) if kind < 0.3 else f"{_any(TENS, rng)} {_any(DIGITS[1:], rng)}"


def _pairs(rng: Rng) -> str:
    first = _any(DIGITS[1:], rng) if rng.random() < 0.5 else _pair(rng)
    return f"{first} {_pair(rng)}"


def _hundreds(rng: Rng) -> str:
    unit = "thousand" if rng.random() < 0.4 else "hundred"
    joint = " and" if rng.random() < 0.3 else ""
    tail = "" if rng.random() < 0.3 else f"{joint} {_pair(rng)}"
    middle = f" {_any(DIGITS[1:], rng)} hundred" if unit == "thousand" and rng.random() < 0.5 else ""
    return f"{_any(DIGITS[1:], rng)} {unit}{middle}{tail}"


def _oh_digits(rng: Rng) -> str:
    """Digits, naught as `oh` throughout or not at all."""
    figures = ("oh" if rng.random() < 0.7 else "zero", *DIGITS[1:])
    return " ".join(_any(figures, rng) for _ in range(int(rng.integers(2, 8))))


def _area_code(rng: Rng) -> str:
    return "area code " + " ".join(_any(DIGITS[1:], rng) for _ in range(10))


def _article(drink: str) -> str:
    return "an" if drink.startswith(("eight", "iced", "americano", "espresso")) else "a"
