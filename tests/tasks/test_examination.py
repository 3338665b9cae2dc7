"""What a test tells beside its figures, against values by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from high_order_nets.tasks import Classification
from high_order_nets.tasks.examination import CalibrationError, Rows, per_class, predicted, token_losses


def logits_of(*confidences: float) -> Tensor:
    """Logits (N, 2) that foretell class 0 with these probabilities."""
    return torch.tensor([[math.log(p), math.log(1 - p)] for p in confidences])


def test_the_calibration_error_by_hand() -> None:
    metric = CalibrationError(2)
    metric.update(logits_of(0.9, 0.88), torch.tensor([0, 1]))  # bin 14 of 15: half are right, at 0.89
    metric.update(logits_of(0.6, 0.62, 0.65), torch.tensor([0, 0, 1]))  # bin 10: two of three are right
    expected = 2 / 5 * abs(0.5 - 0.89) + 3 / 5 * abs(2 / 3 - (0.6 + 0.62 + 0.65) / 3)
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-6)


def test_a_confidence_of_one_is_in_the_last_bin() -> None:
    metric = CalibrationError(2)
    metric.update(torch.tensor([[200.0, 0.0], [3.0, 0.0]]), torch.tensor([0, 1]))
    confidence = 1 / (1 + math.exp(-3.0))  # also above 14/15
    assert float(metric.compute()) == pytest.approx(abs(0.5 - (1 + confidence) / 2), abs=1e-6)


def test_logits_between_0_and_1_are_no_probabilities() -> None:
    metric = CalibrationError(2)
    metric.update(torch.tensor([[0.5, 0.0]]), torch.tensor([0]))
    assert float(metric.compute()) == pytest.approx(1 - 1 / (1 + math.exp(-0.5)), abs=1e-6)


def test_the_test_alone_has_it() -> None:
    task = Classification(nn.Flatten(), 3, lambda *_: None)
    assert [split for split in ("train", "val", "test") if "ece" in task.make_metrics(split)] == ["test"]  # type: ignore[arg-type]


def test_the_accuracy_of_each_class_by_hand() -> None:
    confusion = torch.tensor([[3, 1, 0], [2, 2, 0], [0, 0, 0]])
    assert per_class(confusion) == [
        {"count": 4, "correct": 3, "accuracy": 0.75},
        {"count": 4, "correct": 2, "accuracy": 0.5},
        {"count": 0, "correct": 0, "accuracy": None},
    ]


def test_rows_of_several_processes_come_in_order() -> None:
    rows = Rows()
    rows.update(torch.tensor([0, 2, 2]), torch.tensor([[10], [12], [13]]), torch.tensor([0.1, 0.3, 0.4]))
    rows.update(torch.tensor([1]), torch.tensor([[11]]), torch.tensor([0.2]))
    numbers, values = rows.compute()
    assert numbers.flatten().tolist() == [10, 11, 12, 13]
    assert values.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_the_probability_of_what_is_foretold() -> None:
    classes, probabilities = predicted(logits_of(0.75, 0.25))
    assert classes.tolist() == [0, 1]
    assert probabilities.tolist() == pytest.approx([0.75, 0.75])


def test_the_loss_of_each_token() -> None:
    net = nn.Embedding(4, 4)  # the logits after a token
    tokens, following = torch.tensor([[0, 1, 2], [3, 0, 1]]), torch.tensor([[1, 2, -1], [0, -1, 3]])
    found = token_losses(net, tokens, following)
    log_p = net.weight.log_softmax(1)
    expected = [-log_p[a, b] for a, b in ((0, 1), (1, 2), (3, 0), (1, 3))]
    torch.testing.assert_close(found, torch.stack(expected))
