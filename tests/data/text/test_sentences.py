"""The embedded text is always the same, small, and has structure to learn."""

from high_order_nets.data.text.sentences import SIZES, sentences
from high_order_nets.data.text.tokenizer import WordTokenizer


def test_it_is_always_the_same() -> None:
    first = list(sentences("train"))
    assert first == list(sentences("train"))
    assert first[:2] == ["this wild horse that jumps is tame .", "the teachers cook those sweet onions ."]


def test_its_sizes_and_words() -> None:
    words = WordTokenizer.trained(sentences("train"))
    assert len(words) == 324
    for split, size in SIZES.items():
        assert size <= len(words.tokens(sentences(split))) < size + 40, "or a word that the training text has not"
    assert not set(sentences("test")) <= set(sentences("train"))


def test_number_agrees_across_what_stands_between() -> None:
    lines = [line.split() for line in sentences("train")]
    between = [line for line in lines if {"near", "behind", "beside", "under", "by"} & set(line[2:4])]
    assert len(between) > 100
    singular = {"a", "this", "that", "every"}
    plural = {"some", "these", "those", "many"}
    assert not any(line[-3:-2] == ["is"] and line[0] in plural and "that" not in line for line in between)
    assert not any(line[-3:-2] == ["are"] and line[0] in singular and "that" not in line for line in between)
