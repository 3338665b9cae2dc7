"""Bad input ends in one line that names the value, the rule and the nearest valid name."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from high_order_nets import cli
from tests.runner import Runner

# What is typed after `train`, and what the line says beside it.
BAD = {
    "layer_type=polynomal2d": ["unknown layer type", "polynomial2d"],
    "model_name=resnet81": ["unknown model name", "resnet18"],
    "dataset=cifar1000": ["unknown dataset", "cifar100"],
    "optimizer=adm": ["unknown optimizer", "adam"],
    "scheduler=cosin": ["unknown scheduler", "cosine"],
    "norm=bach": ["unknown norm", "batch"],
    "norm=null": ["unknown norm"],
    "block=tabel5": ["unknown block", "table5"],
    "block=pi model_name=vgg11": ["block=pi: model_name=vgg11 has no blocks to choose; take pinet18"],
    "block=se model_name=vgg11": ["block=se: model_name=vgg11 has no blocks to choose; take pinet18"],
    "block.gate=se model_name=simple": ["model_name=simple has no blocks to choose; take pinet18"],
    "block.gate=sigmoid": ["one of none, quadratic, se"],
    "block.reduction=0": ["at least 1"],
    "block.funnel=max": ["one of none, product, sum"],
    "block=preact block.last=false": ["unknown key"],
    "block.last=false model_name=resnet18": ["model_name=resnet18 has no blocks to choose; take pinet18"],
    "block=ncp block.degree=1": ["at least 2"],
    "block=pi block.degree=3": ["unknown key"],
    "model_name=pinet18 model_name.layers=[2,2]": ["four whole numbers"],
    "trainer=cpx": ["unknown trainer", "cpu"],
    "experiment=sed": ["unknown experiment", "seed"],
    "max_epoch=3": ["unknown key", "max_epochs"],
    "optimizer.momentun=0.5": ["unknown key", "optimizer.momentum"],
    "hydra/launcher=bsic": ["unknown hydra/launcher", "basic"],
    "hydra.foo=1": ["hydra.foo"],
    "n=abc": ["whole number"],
    "n=(3": ["whole number"],
    "n=null": ["whole number"],
    "n=true": ["whole number"],
    "n=3.0": ["whole number"],
    "+foo=1": ["cannot be added"],
    "++n=4": ["cannot be added"],
    "~norm": ["cannot be removed"],
    "n=0": ["at least 1"],
    "segments=0": ["at least 1"],
    "scale=0": ["[1e-6, 1e6]"],
    "scale=inf": ["[1e-6, 1e6]"],
    "scale=nan": ["[1e-6, 1e6]"],
    "max_epochs=0": ["at least 1"],
    "trainer=debug max_epochs=0": ["at least 1"],
    "scale=1e+30": ["[1e-6, 1e6]"],
    "optimizer=lion optimizer.betas=[0.9]": ["two numbers in [0, 1)"],
    "optimizer=sophia optimizer.update_period=0": ["at least 1"],
    "optimizer=lbfgs optimizer.max_iter=0": ["at least 1"],
    "optimizer=lbfgs optimizer.line_search_fn=foo": ["strong_wolfe"],
    "scheduler=multistep scheduler.milestones=[2]": ["parts of max_epochs"],
    "batch_size=0": ["at least 1"],
    "learning_rate=0": ["above 0"],
    "learning_rate=-1": ["above 0"],
    "train_fraction=0": ["(0, 1]"],
    "train_fraction=1.5": ["(0, 1]"],
    "val_fraction=1": ["[0, 1)"],
    "label_smoothing=1": ["[0, 1)"],
    "dataset=sentences dataset.bptt=0": ["at least 1"],
    "dataset=sentences dataset.stride=36": ["dataset.bptt=35 at most"],
    "dataset=sentences dataset.tokenizer=words": ["one of word, bpe"],
    "dataset=sentences dataset.vocabulary=256": ["[257, 1000000]"],
    "dataset=sentences dataset.augment.flip=true": ["unknown key"],
    "dataset=wikitext2 dataset.urls=[file:///x.zip]": ["a list of addresses"],
    "dataset.augment.cutmix=-1": ["at least 0"],
    "dataset.augment.mix_until=0": ["(0, 1]"],
    "task=autoencoder model_name=autoencoder dataset.augment.mixup=0.2": ["mixes labels", "task=autoencoder has none"],
    "ema.best=true": ["there is no average of weights", "add ema.decay=0.999"],
    "rescale_output=1": ["true or false"],
    "augment=abc": ["true or false"],
    "optimizer.momentum=abc": ["a number"],
    "optimizer.momentum=inf": ["a number"],
    "dropout=0.1": ["unknown key model_name.dropout", "nearest valid name: input_dropout"],
    "dataset=sentences emsiz=20": ["unknown key emsiz", "nearest valid name: emsize"],
    "layer_type=polynomial1d": ["two dimensions", "polynomial2d"],
    "layer_type=fourier3d": ["two dimensions", "fourier2d"],
    "loss=mze": ["cross_entropy", "nearest valid name: mse"],
    "domain=tan": ["nearest valid name: tanh"],
    "init=liner": ["nearest valid name: linear"],
    "stem=cifar3": ["nearest valid name: cifar"],
    "activation=rellu": ["nearest valid name: relu"],
    "precision=32": ["nearest valid name: 32-true"],
    "matmul_precision=hi": ["nearest valid name: high"],
    "rescale_planes=0": ["above 0", "match"],
    "rescale_planes=matchy": ["nearest valid name: match"],
    "skip=[1]": ["list of names"],
    "weights=kep": ["nearest valid name: keep"],
    "weights=keep norm=batch": ["norm=batch: makes other norms, and weights=keep", "take norm=keep"],
    "weights=keep rescale_planes=match": ["rescale_planes=match: makes other widths", "take rescale_planes=1"],
    "weights=keep init=mixed": ["init=mixed: draws the functions", "take init=linear"],
    "weights=keep align=batch": ["align=batch: standardises inputs anew", "take align=none"],
    "weights=keep rules={stem:{init:silu}}": ["rules={stem: {init: silu}}: init=silu: draws the functions"],
    "functions.lr=-1": ["at least 0"],
    "functions.weight_decay=-1": ["at least 0 or null"],
    "functions.smoothness=abc": ["at least 0"],
    "functions.decay_by_degree=[]": ["numbers of at least 0"],
    "functions.decay_by_degree=[-1]": ["numbers of at least 0"],
    "functions.decay_by_degree=[1,4] parameters=nodal": ["decay_by_degree=[1, 4]: ", "parameters=spectral"],
    "functions.decay_by_degree=[1,4] sharing=channel": ["take sharing=synapse"],
    "functions.decay_by_degree=[1,4] layer_type=continuous2d": ["layer_type=continuous2d has no coefficients"],
    "functions.decay_by_degree=[1] layer_type=polynomial_prod": ["layer_type=polynomial_prod has no coefficients"],
    "functions.decay_by_degree=[1,4] optimizer=lbfgs": ["optimizer=lbfgs knows no decay"],
    "functions.lr=0.5 optimizer=lbfgs": ["functions.lr=0.5: optimizer=lbfgs has one rate"],
    "functions.frozen=0.1 optimizer=lbfgs sharing=channel": ["functions.frozen=0.1: optimizer=lbfgs has one rate"],
    "functions.frozen=0.1 scheduler=plateau": ["functions.frozen=0.1: scheduler=plateau is laid out over no number"],
    "functions.frozen=0.5 functions.until=0.5": ["functions.until=0.5: must come after functions.frozen=0.5"],
    "functions.frozen=1": ["[0, 1)"],
    "functions.until=0": ["(0, 1]"],
    "functions.smoothness=0.1": ["is of functions that connections share; take sharing=channel"],
    "layer_type=continuous2d n=1 segments=2": ["n=1", "segments=2"],
    "n=2,3": ["-m"],
    "-m n=2,0": ["n=0", "at least 1"],
    "-m layer_type=polynomial,furier": ["layer_type=furier", "fourier"],
    "hydra.mode=MULTIRUN": ["-m"],
    "--multirum n=2": ["unknown flag", "--multirun"],
    "--experimental-rerun x.pickle": ["unknown flag"],
    "--config-name other": ["unknown flag"],
    "--config-dir /no/such/folder": ["no such folder"],
    "foo": ["key=value"],
    "=3": ["key=value"],
    "run_dir=": ["expected a folder"],
    "nonlinearity=maybe": ["True or False"],
    "layer_type._target_=os.system": ["foreign _target_", "high_order_nets.basis"],
    "optimizer._target_=numpy.testing.measure": ["foreign _target_", "torch.optim"],
    "model_name._target_=null": ["foreign _target_", "torchvision.models"],
    "+dataset._target_=os.system": ["cannot be added"],
    "hydra.launcher._target_=os.system": ["foreign _target_"],
    "hydra.launcher._target_=hydra.utils.instantiate": ["foreign _target_"],
    "hydra.launcher._target_=${root}": ["plain value"],
    "-m hydra.sweeper._target_=os.system": ["foreign _target_"],
    "+hydra.callbacks.x._target_=os.system": ["cannot be set here"],
    "hydra.job_logging.handlers.console.class=os.system": ["cannot be set here", "hydra/job_logging"],
}


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("typed", BAD)
def test_bad_input_is_refused_in_one_line(typed: str, capsys: pytest.CaptureFixture[str], runner: Runner) -> None:
    assert cli.main(["train", *shlex.split(typed)]) == 2
    line = one_line(capsys)
    for part in BAD[typed] if " " in typed else (typed.lstrip("+"), *BAD[typed]):
        assert part in line
    assert not runner.configs


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("tran", "train"),
        ("list layer", "layers"),
        ("list", "layers"),
        ("test", "ckpt=PATH"),
        ("test ckpt=epoch=3.ckpt", "no such file"),
        ("test chkpt=x", "ckpt"),
        ("train run_dir=/dev/null/x", "/dev/null"),
    ],
)
def test_other_commands_refuse_in_one_line(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(typed.split()) == 2
    assert said in one_line(capsys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epocs: 3", "unknown key epocs; nearest valid name: max_epochs"),
        ("n: abc", "n=abc: expected a whole number"),
        ("layer_type: 3", "layer_type"),
        ("layer_type:\n  _target_: os.system", "foreign _target_"),
        ("dataset:\n  _target_: os.system", "foreign _target_"),
        ("hydra:\n  callbacks:\n    x:\n      _target_: os.system", "hydra.callbacks: closed to files"),
        (
            "hydra:\n  job_logging:\n    handlers:\n      x:\n        (): os.system",
            "hydra.job_logging: closed to files",
        ),
        ("defaults:\n  - override /optimizer: adm", "optimizer=adm: unknown optimizer; nearest valid name: adam"),
        ("n: [3", "mine.yaml"),
    ],
)
def test_the_users_own_files_are_checked_too(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], runner: Runner
) -> None:
    file = tmp_path / "experiment" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(f"# @package _global_\n{text}\n")
    assert cli.main(["train", "experiment=mine", "--config-dir", str(tmp_path)]) == 2
    assert said in one_line(capsys)
    assert not runner.configs


def test_a_refusal_is_fast_and_imports_nothing_heavy() -> None:
    code = "import sys; from high_order_nets.cli import main; status = main(['train', 'n=abc']); "
    code += (
        "heavy = {'torch', 'torchvision', 'pytorch_lightning'} & set(sys.modules); sys.exit(99 if heavy else status)"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert time.perf_counter() - started < 3  # 0.7 s on an idle machine
