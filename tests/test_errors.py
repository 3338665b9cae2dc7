"""Errors that cross the border of a process as a traceback's text, and the values that errors show."""

import traceback

import pytest

from high_order_nets.errors import Diverged, UserError, from_traceback, show


def text_of(error: Exception) -> str:
    try:
        raise error
    except Exception as raised:
        return "-- Process 1 terminated --\n" + "".join(traceback.format_exception(raised))


def test_what_is_raised_elsewhere_comes_home() -> None:
    error = Diverged("the train loss is nan at step 7", {"step": 7, "module": "fc", "input_range": [0.0, 1.5]})
    error.note_details()
    home = from_traceback(text_of(error))
    assert isinstance(home, Diverged)
    assert (str(home), home.details) == (str(error), error.details)
    refused = from_traceback(text_of(UserError("n=0: expected a whole number of at least 1")))
    assert isinstance(refused, UserError)
    assert str(refused) == "n=0: expected a whole number of at least 1"


@pytest.mark.parametrize("error", [ValueError("high_order_nets.errors.UserError: x"), Diverged("x")])
def test_another_error_stays_one_and_details_may_be_missing(error: Exception) -> None:
    home = from_traceback(text_of(error))
    assert home is None if isinstance(error, ValueError) else getattr(home, "details", None) == {}


def test_a_value_is_shown_as_it_is_typed() -> None:
    assert show(["stem", "layer1.*"]) == "[stem, layer1.*]"
    assert show({"a": [1, 0.5], "b": None}) == "{a: [1, 0.5], b: null}"
