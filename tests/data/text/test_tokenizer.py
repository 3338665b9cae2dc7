"""From text to numbers and back, and refusals of what is no tokenizer."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from high_order_nets.data.text.tokenizer import BytePairTokenizer, WordTokenizer, tokenizer_from
from high_order_nets.errors import UserError

LINES = ["the cat sees the dog", "", " a dog  sees\tthe cat ."]


def restored(tokenizer: Any) -> Any:
    return tokenizer_from(json.loads(json.dumps(tokenizer.state)))


@pytest.fixture(scope="module")
def pairs() -> BytePairTokenizer:
    return BytePairTokenizer.trained(LINES * 3, 270)


def test_the_most_frequent_words_come_first_and_end_their_lines() -> None:
    words = WordTokenizer.trained(LINES)
    assert words.words == ("the", "<eos>", "cat", "sees", "dog", "a", ".")
    assert (len(words), words.eos) == (7, 1)
    assert words.tokens(LINES).tolist() == [0, 2, 3, 0, 4, 1, 1, 5, 4, 3, 0, 2, 6, 1]
    assert words.encode("the cat") == [0, 2]
    assert words.encode("the cat\n\n a dog\n") == [0, 2, 1, 1, 5, 4, 1]
    assert words.decode([0, 2, 1, 1, 5, 4, 1]) == "the cat\n\na dog\n"
    assert words.encode("") == []
    assert restored(words).words == words.words


def test_an_unknown_word_is_refused_or_becomes_unk() -> None:
    with pytest.raises(UserError, match=r"^unknown word dgo: not among the 7 of the training text; .* name: dog$"):
        WordTokenizer.trained(LINES).encode("a dgo")
    words = WordTokenizer.trained([*LINES, "<unk>"])
    assert words.decode(words.encode("a dgo")) == "a <unk>"


def test_rare_words_are_unk() -> None:
    words = WordTokenizer.trained(LINES, min_count=2)
    assert words.words == ("the", "<eos>", "cat", "sees", "dog", "<unk>")
    assert words.decode(words.encode("a cat")) == "<unk> cat"
    assert WordTokenizer.trained(["<unk> a a"], min_count=2).words == ("a", "<unk>", "<eos>")


@settings(max_examples=30, deadline=None)
@given(text=strategies.text())
def test_byte_pairs_know_every_text(pairs: BytePairTokenizer, text: str) -> None:
    ids = pairs.encode(text)
    assert pairs.decode(ids) == text
    assert ids.count(pairs.eos) == text.count("\n")


def test_what_is_no_utf8_is_a_question_mark(pairs: BytePairTokenizer) -> None:
    assert pairs.decode(pairs.encode("a \udcff")) == "a ?"


def test_byte_pairs_are_learned_of_a_text_always_the_same(pairs: BytePairTokenizer) -> None:
    assert BytePairTokenizer.trained(LINES * 3, 270).state == pairs.state
    assert len(pairs) == len(pairs.words) == 270
    assert pairs.words[0] == "<eos>"
    assert " dog" in pairs.words
    assert len(pairs.encode("the dog")) < 7
    assert restored(pairs).encode("the dog <eos>\nMäuse") == pairs.encode("the dog <eos>\nMäuse")
    ids = [*pairs.encode("the cat"), pairs.eos]
    assert pairs.tokens(["the cat", ""]).tolist() == [*ids, pairs.eos]


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"^tokenizer=bpe: .* install it by: pip install \"high-order-nets\[text\]\"$"):
        BytePairTokenizer.trained(LINES, 270)


@pytest.mark.parametrize(
    "state",
    [
        *(None, 3, [], {}, {"kind": "bytes"}, {"kind": ["word"]}, {"kind": "word"}, {"kind": "bpe"}),
        *({"kind": "word", "words": words} for words in (None, "<eos>", [], ["a"], ["<eos>", 3], ["<eos>", "a", "a"])),
        {"kind": "word", "words": {"<eos>": 0}},
    ],
)
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(UserError, match=r"^not the state of a tokenizer: ") as refused:
        tokenizer_from(state)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"vocabulary": ["<eos>", "a", "b"]},
        {"merges": None},
        {"merges": [["a", "zz"]]},
        {"merges": [["a"]]},
        {"merges": [["a", 3]]},
        {"merges": [["", "a"]]},
        {"merges": "ab"},
    ],
)
def test_byte_pairs_that_the_library_would_not_bear_are_refused(
    pairs: BytePairTokenizer, change: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"^not the state of a tokenizer: "):
        tokenizer_from(pairs.state | change)
    vocabulary = pairs.state["vocabulary"]
    for wrong in (vocabulary[1:], [*vocabulary[1:], "<eos>"], [*vocabulary, "a b"], [*vocabulary, "a"]):
        with pytest.raises(UserError, match=r"^not the state of a tokenizer: "):
            tokenizer_from(pairs.state | {"vocabulary": wrong})
