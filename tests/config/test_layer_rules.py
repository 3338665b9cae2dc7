"""rules= on the command line and in files: the knobs of the functions, for layers of some names."""

import shlex
from pathlib import Path

import pytest

from high_order_nets import cli, load
from high_order_nets.config.catalogue import everyday_sections
from high_order_nets.config.compose import plan
from high_order_nets.config.layer_rules import SECTION
from high_order_nets.config.overrides import parse
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.data.spec import ImageSpec
from high_order_nets.errors import UserError
from high_order_nets.layers import HighOrderLayer
from high_order_nets.layers.high_order import CHOICES
from high_order_nets.models.factory import KNOBS, network
from tests.experiments import composed
from tests.runner import Runner

DIGITS = ImageSpec(1, 8, tuple("0123456789"), Normalisation.to_interval(1, 2.0))
LINE = ("dataset=digits", "model_name=simple")


def bases(*words: str) -> dict[str, str]:
    """Build the network of a line and name its functions by layer."""
    net, _ = network(composed(*LINE, *words), DIGITS)
    return {name: str(m.synapse) for name, m in net.named_modules() if isinstance(m, HighOrderLayer)}


def test_a_rule_may_say_what_a_synapse_has_options_for() -> None:
    assert {knob.key for knob in everyday_sections()[SECTION]} == {KNOBS.get(name, name) for name in CHOICES}


def test_the_layers_are_those_of_their_rules() -> None:
    plain = "Polynomial(n=3, length=4.0), domain=tanh, parameters=spectral"
    names = [*bases()]
    first, *others = names
    found = bases(f"rules={{stem:{{n:5,scale:6.0,input_noise:0.5}},{others[0]}:{{sharing:channel,base:silu}}}}")
    assert found[first] == "Polynomial(n=5, length=6.0), domain=tanh, parameters=spectral, noise=0.5"
    assert found[others[0]] == f"{plain}, sharing=channel, base=silu"
    assert all(found[name] == plain for name in others[1:])


def test_another_layer_type_reads_the_knobs_and_its_rule() -> None:
    config = composed(*LINE, "layer_type=standard", "n=2", "rules={stem:{layer_type:fourier2d,scale:3.0}}")
    assert config["layer_types"]["fourier2d"] == {"_target_": "high_order_nets.basis.Fourier", "n": 2, "length": 4.0}
    assert not {"n", "domain", "rules", "skip"} & set(config["unread"])
    net, _ = network(config, DIGITS)
    (layer,) = (m for m in net.modules() if isinstance(m, HighOrderLayer))
    assert str(layer.synapse.basis) == "Fourier(n=2, length=3.0)"


def test_rules_of_the_standard_network_are_not_read() -> None:
    config = composed(*LINE, "layer_type=standard", "rules={stem:{n:2}}")
    assert {"rules", "n"} <= set(config["unread"])
    assert "layer_types" not in config


def test_a_layer_type_of_a_folder_and_none_of_strangers(tmp_path: Path) -> None:
    (tmp_path / "layer_type").mkdir()
    file = tmp_path / "layer_type" / "mine.yaml"
    line = [*LINE, "rules={stem:{layer_type:mine2d}}", "--config-dir", str(tmp_path)]
    file.write_text("_target_: high_order_nets.basis.Polynomial\nn: 7\nlength: ${scale}\n")
    assert composed(*line)["layer_types"]["mine2d"]["n"] == 7
    file.write_text("_target_: os.system\n")
    with pytest.raises(UserError, match=r"layer_type\._target_=os\.system: foreign _target_"):
        composed(*line[:2], "rules={stem:{layer_type:mine}}", *line[3:])


def test_rules_of_a_file_and_of_the_line_are_joined(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nrules:\n  layer1.*: {n: 2, sharing: channel}\n  0: {n: 4}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    line = ["experiment=mine", "--config-dir", str(tmp_path)]
    assert composed(*line)["rules"] == {"layer1.*": {"n": 2, "sharing": "channel"}, "0": {"n": 4}}
    joined = composed(*line, "rules={layer1.*:{n:5},layer4:{n:3}}")["rules"]
    assert list(joined.items()) == [("layer1.*", {"n": 5, "sharing": "channel"}), ("0", {"n": 4}), ("layer4", {"n": 3})]
    assert composed(*line, "rules=null")["rules"] == {}


def test_a_sweep_over_rules() -> None:
    found = plan(parse(["-m", "rules={},{layer1.*:{n:5},layer2:{n:2}},{layer?:{n:2}}"])).jobs
    assert [job["rules"] for job in found] == [
        {},
        {"layer1.*": {"n": 5}, "layer2": {"n": 2}},
        {"layer?": {"n": 2}},
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("rules=3", "rules=3: expected patterns of module names with options"),
        ("rules={stem:3}", "rules={stem: 3}: expected patterns of module names with options"),
        ("rules={layer[12]:{n:5}}", "expected patterns of module names with options"),
        ("rules={stem:{n:0}}", "rules.stem.n=0: expected a whole number of at least 1"),
        ("rules={stem:{init:rellu}}", "rules.stem.init=rellu: expected one of"),
        ("rules={stem:{rescale_output:1}}", "rules.stem.rescale_output=1: expected true or false"),
        ("rules={stem:{dropout:0.1}}", "unknown option dropout; nearest valid name: input_dropout"),
        ("rules={stem:{layer_type:3}}", "rules.stem.layer_type=3: expected a layer type's name"),
        (
            "rules={stem:{layer_type:furier}}",
            "rules.stem.layer_type=furier: unknown layer type; nearest valid name: four",
        ),
        ("rules={stem:{layer_type:fourier3d}}", "rules.stem.layer_type=fourier3d: images have two dimensions"),
        ("rules={stem:{layer_type:{_target_:os.system}}}", "foreign _target_"),
        ("rules.layer1.0.n=4", "rules.layer1.0.n=4: did you mean rules={layer1.0:{n:4}}?"),
        ("rules={stem:{n:4}} refine.epochs=[1] refine.n=[4]", "rules.stem.n=4: refine.epochs=[1] refines all layers"),
        ("+rulez={}", "cannot be added"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    typed: str, said: str, capsys: pytest.CaptureFixture[str], runner: Runner
) -> None:
    assert cli.main(["train", *shlex.split(typed)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not runner.configs


def test_sizes_are_refined_where_rules_leave_them() -> None:
    line = ("refine.epochs=[1]", "refine.n=[4]", "max_epochs=2")
    assert composed(*line, "rules={stem:{sharing:channel},head:{layer_type:standard}}")["refine"]["n"] == [4]


def test_a_run_with_rules_goes_on_and_is_opened(tmp_path: Path) -> None:
    line = ["train", *LINE, "trainer=cpu", "width=0.25", "train_fraction=0.1", "plots.enabled=false", "scheduler=none"]
    line += [f"run_dir={tmp_path}", "rules={stem:{layer_type:fourier2d,n:2}}"]
    assert cli.main([*line, "max_epochs=1"]) == 0
    assert cli.main([*line[:-1], "rules={stem:{n:2}}", "max_epochs=2"]) == 2  # another run's folder
    assert cli.main([*line, "max_epochs=2"]) == 0
    opened = load(tmp_path)
    assert opened.metadata["config"]["rules"] == {"stem": {"layer_type": "fourier2d", "n": 2}}
    assert any(
        str(m.synapse.basis) == "Fourier(n=2, length=4.0)" for m in opened.modules() if isinstance(m, HighOrderLayer)
    )
