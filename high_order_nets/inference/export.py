"""Writes a trained network for other programs, and checks what was written against the network."""

import json
import math
import warnings
from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import UserError
from ..files import by_umask
from ..run.checkpoints import distinct
from ..run.layout import USED_OF, is_weights, locate
from .autoencoder import Autoencoder
from .classifier import Classifier
from .language import LanguageModel
from .load import but_points, load

TOLERANCE = 1e-4
"""Largest difference between what the network gives and what the file gives."""
BATCHES = (1, 5)
"""Numbers of random inputs that are compared."""

INT32 = 6
"""ONNX's number of the type (TensorProto.INT32)."""

Run = Callable[[Tensor], Tensor]
Exportable = Classifier | Autoencoder | LanguageModel


class Exported(NamedTuple):
    """The file written, and the largest difference of what it gives on random inputs, of what it takes."""

    path: Path
    difference: float
    takes: str = "images"
    gives: str = "logits"


class Format(NamedTuple):
    """How a network is written to a file of this suffix, and read back as what gives the same."""

    suffix: str
    write: Callable[[Exportable, Path], None]
    read: Callable[[Path], Run]


def export(checkpoint: Path, name: str, out: Path | None = None, weights: str = "raw") -> Exported:
    """Write the network, preprocessing included, in the format of this name, and check it on random images.

    Other programs give it float32 images in [0, 1], (batch, channels, size, size), and get the logits, of an
    autoencoder the reconstructions in [0, 1]; the file carries `classes`, `normalisation`, `metrics` and `config` as
    JSON. What differs by more than TOLERANCE is not kept. `weights` are those of `load`.
    Raises UserError for that, for packages that are missing and for what cannot be read or written.
    """
    form = FORMATS[name]
    checkpoint = locate(checkpoint, USED_OF[weights])
    suffix = form.suffix if weights == "raw" or is_weights(checkpoint) else f".{weights}{form.suffix}"
    path = _destination(checkpoint, suffix, out)
    module = but_points(load(checkpoint, weights), checkpoint, "export")
    part = path.with_name(f".{path.stem}.part{form.suffix}")
    try:
        with by_umask(part):
            form.write(module, part)
        difference = _difference(module, form.read(part))
        if not difference <= TOLERANCE:
            raise UserError(
                f"format={name}: its {module.gives} differ by {difference:.2g}, more than {TOLERANCE:g}; not kept"
            )
        part.replace(path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"out={path}: cannot be written: {error.strerror or error}") from error
    except Exception as error:  # torch's exporters and other programs' readers raise whatever they meet
        others = " or ".join(other for other in FORMATS if other != name)
        raise UserError(f"format={name}: cannot hold this network: {_reason(error)}; take {others}") from error
    finally:
        part.unlink(missing_ok=True)
    return Exported(path, difference, module.takes, module.gives)


def _reason(error: BaseException) -> str:
    """Return the first line of what an error comes from: exporters wrap it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _destination(source: Path, suffix: str, out: Path | None) -> Path:
    path = out or source.with_suffix(suffix)
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"out={path}: expected a file in a folder that is there")
    if path.exists() and path.samefile(source):
        raise UserError(f"out={path}: is the file to be exported; name another one by out=")
    return path


def _difference(module: Exportable, run: Run) -> float:
    """Return the largest difference of what they give; nan where either has one."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        batches = [module.example(batch, generator) for batch in BATCHES]
        return float(torch.stack([(run(inputs) - module(inputs)).abs().max() for inputs in batches]).max())


def _metadata(module: Exportable) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in module.metadata.items()}


def _write_safetensors(module: Exportable, path: Path) -> None:
    tensors = {name: tensor.clone().contiguous() for name, tensor in distinct(module.net.state_dict()).items()}
    save_file(tensors, path, _metadata(module))


def _write_program(module: Exportable, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(module, (module.example(2),), dynamic_shapes=({0: batch},))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No complete tensor found in the group")  # of tensors that share memory
        torch.export.save(program, path, extra_files=_metadata(module))


def _read_program(path: Path) -> Run:
    return torch.export.load(path).module()


def _write_onnx(module: Exportable, path: Path) -> None:
    if not (find_spec("onnx") and find_spec("onnxscript")):
        raise UserError("format=onnx needs two more packages: pip install 'high-order-nets[export]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch says of its own parts; the result is checked
        program = torch.onnx.export(
            deepcopy(module).float(),  # runtimes have no convolutions of doubles
            (module.example(2),),
            dynamo=True,
            verbose=False,
            input_names=[module.takes],
            output_names=[module.gives],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            custom_translation_table={torch.ops.prims.frexp.default: _frexp},
        )
    assert program is not None
    program.model.metadata_props.update(_metadata(module))
    program.save(path, external_data=False)


def _frexp(x: Any) -> tuple[Any, Any]:
    """Write x = mantissa · 2^exponent in ONNX's own operators, which product neurons scale by.

    By a rounded logarithm: beside a power of two the exponent may be its neighbour, and the mantissa then 1 for 1/2.
    """
    op: Any = import_module("onnxscript").opset18
    zero = op.Equal(x, op.CastLike(0.0, x))
    logarithm = op.Div(op.Log(op.Abs(op.Where(zero, op.CastLike(1.0, x), x))), op.CastLike(math.log(2), x))
    exponent = op.Where(zero, op.CastLike(0.0, x), op.Add(op.Floor(logarithm), op.CastLike(1.0, x)))
    return op.Div(x, op.Pow(op.CastLike(2.0, x), exponent)), op.Cast(exponent, to=INT32)


def _read_onnx(path: Path) -> Run:
    """Run the file by onnxruntime, or by onnx's own slow evaluator where that is not installed."""
    if find_spec("onnxruntime"):
        import onnxruntime  # noqa: PLC0415 - an extra

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    else:
        from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - an extra

        session = ReferenceEvaluator(str(path))

    def run(inputs: Tensor) -> Tensor:
        taken = "images" if inputs.is_floating_point() else "tokens"
        (found,) = session.run(None, {taken: inputs.numpy()})
        return torch.as_tensor(found)

    return run


FORMATS = {
    "onnx": Format(".onnx", _write_onnx, _read_onnx),
    "torch_export": Format(".pt2", _write_program, _read_program),
    "safetensors": Format(".safetensors", _write_safetensors, load),
}
"""The formats by name."""
