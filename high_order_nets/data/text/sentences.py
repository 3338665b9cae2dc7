"""A small language of our own making, with structure to learn: number agrees across phrases, verbs choose their nouns.

    S  → NP_n VP_n "."
    NP_n → det_n (adj) noun_n (prep NP | "that" VP_n)
    VP_n → verb_n NP | verb_n (manner) | "is"|"are" adj | verb_n "that" S

The number n agrees, and a verb takes subjects and objects of its kinds alone: what may follow a word depends on words
that stand further off. Words at the front of a list are the more frequent ones.
"""

import random
from collections.abc import Iterator

SIZES = {"train": 40_000, "valid": 4_000, "test": 4_000}
"""Tokens of a split, the ends of lines among them; a split ends with the sentence that reaches them."""
SEED = 12
_DEEPEST = 2

_NOUNS = {
    "person": "teacher doctor farmer sailor singer painter writer student baker king lawyer pilot nurse judge",
    "animal": "dog cat horse bird rabbit cow goat duck lion tiger bear monkey spider frog snake bee",
    "food": "apple cake carrot egg nut plum pear melon onion olive",
    "thing": "book letter song picture map novel poem lamp chair table boat wheel clock drum bell ring coat",
    "place": "house garden river forest tower bridge field lake road hill shop harbour",
}
_VERBS = {  # by the kinds of their subject and object
    ("person", "thing"): "read write print sell paint lift repair describe borrow",
    ("person", "person"): "help greet thank guide visit follow admire call trust",
    ("person", "food"): "cook buy peel cut share",
    ("animal", "food"): "eat steal find hide want",
    ("animal", "animal"): "hunt fear chase smell bite",
    ("person", "animal"): "feed train own hear love",
}
_ALONE = {
    "person": "work laugh dance sing travel wait dream",
    "animal": "run sleep jump swim hide hunt drink",
    "food": "rot ripen taste smell",
    "thing": "break fall shine burn rust",
    "place": "burn shine lie",
}
_SAYING = "think say know hope believe"
_ADJECTIVES = {
    "person": "clever tired young honest famous quiet rich brave",
    "animal": "wild hungry fast tame shy strong fat",
    "food": "sweet fresh ripe bitter warm",
    "thing": "old heavy broken small new lost blue",
    "place": "dark large empty far green narrow",
}
_DETERMINERS = ("the a this that every", "the some these those many")
_PREPOSITIONS = "near behind beside under by"
_MANNER = "often today slowly again always alone well"


class _Speaker:
    """Draws sentences."""

    def __init__(self, seed: int):
        self._draw = random.Random(seed).random  # the one stream that Python keeps the same from version to version

    def sentence(self) -> list[str]:
        return [*self._clause(0), "."]

    def _pick(self, words: str) -> str:
        choices, drawn = words.split(), self._draw()
        return choices[int(len(choices) * drawn * drawn)]

    def _clause(self, depth: int) -> list[str]:
        kind = self._pick("person animal thing food place")
        plural = self._draw() < 0.5
        return [*self._noun_phrase(kind, plural, depth), *self._verb_phrase(kind, plural, depth)]

    def _noun_phrase(self, kind: str, plural: bool, depth: int) -> list[str]:
        said = [self._pick(_DETERMINERS[plural])]
        if self._draw() < 0.3:
            said.append(self._pick(_ADJECTIVES[kind]))
        said.append(self._pick(_NOUNS[kind]) + ("s" if plural else ""))
        further = self._draw()
        if depth < _DEEPEST and further < 0.15:
            said += [self._pick(_PREPOSITIONS), *self._noun_phrase("place", self._draw() < 0.5, depth + 1)]
        elif depth < _DEEPEST and further < 0.3 and kind in ("person", "animal"):
            said += ["that", *self._verb_phrase(kind, plural, depth + 1)]
        return said

    def _verb_phrase(self, kind: str, plural: bool, depth: int) -> list[str]:
        form, drawn = "" if plural else "s", self._draw()
        objects = [pair for pair in _VERBS if pair[0] == kind]  # none for things and places
        if objects and drawn < 0.5:
            pair = objects[int(len(objects) * self._draw())]
            verb = self._pick(_VERBS[pair])
            return [verb + form, *self._noun_phrase(pair[1], self._draw() < 0.5, depth + 1)]
        if kind == "person" and depth < _DEEPEST and drawn < 0.6:
            return [self._pick(_SAYING) + form, "that", *self._clause(depth + 1)]
        if drawn < 0.75:
            return ["are" if plural else "is", self._pick(_ADJECTIVES[kind])]
        manner = [self._pick(_MANNER)] if self._draw() < 0.4 else []
        return [self._pick(_ALONE[kind]) + form, *manner]


def sentences(split: str) -> Iterator[str]:
    """Give the lines of a split, always the same ones: a sentence a line, its words apart."""
    speaker = _Speaker(SEED + list(SIZES).index(split))
    spoken = 0
    while spoken < SIZES[split]:
        words = speaker.sentence()
        spoken += len(words) + 1
        yield " ".join(words)
