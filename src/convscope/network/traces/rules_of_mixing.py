"""What operations that add values up along dimensions do to a layout: products, means, norms."""

from __future__ import annotations

from dataclasses import replace

from convscope.network.traces.layouts import (
    Dim,
    Layout,
    axes_of,
    is_other,
    lost,
    merged,
    other,
    size_of,
)
from convscope.network.traces.operations import (
    AXES,
    Operation,
    Rule,
    coarsened,
    in_same_units,
    mixed,
    mixed_over,
)


def dense(layout: Layout | None, size: int) -> Layout | None:
    """The layout after a dense layer, which mixes the last dimension."""
    if layout is None:
        return None
    mixed_last = mixed_over(layout, layout.dims[-1:], gone=True)
    return coarsened(replace(mixed_last, dims=(*layout.dims[:-1], other(size))))


def _product(op: Operation) -> Layout:
    """The product of matrices (..., i, k) and (..., k, j)."""
    op = replace(op, inputs=in_same_units(op.inputs))
    (_, a), (_, b) = op.inputs[-2:]
    batch = [
        merged([one.dims[d] for one in (a, b) if one is not None]) or ()
        for d in range(op.output.dim() - 2)
    ]
    rows = a.dims[-2] if a else other(op.output.shape[-2])
    columns = b.dims[-1] if b else other(op.output.shape[-1])
    summed: list[Dim] = ([a.dims[-1]] if a else []) + ([b.dims[-2]] if b else [])
    layout = mixed_over(a or b or op.layout, summed, gone=True)
    layout = mixed(layout, AXES) if a and b else layout
    return op.with_dims((*batch, rows, columns), layout)


def _matrix_vector(op: Operation) -> Layout:
    layout = mixed_over(op.layout, op.layout.dims[-1:])
    return op.with_dims(op.layout.dims[:-1], layout) if op.inputs[-2][1] else op.lost()


def _attention(op: Operation) -> Layout | None:
    """Scaled dot product attention: queries (..., T, d), keys and values; the output is as T."""
    (_, query), (_, _key), (_, value) = op.inputs[:3]
    if op.number or (query is None and value is None):
        return None
    layout = mixed(query or value or op.layout, AXES)
    dims = (query or layout).dims
    return op.with_dims((*dims[:-1], other(op.output.shape[-1])), layout)


def _reduce(op: Operation) -> Layout | None:
    gone = _reduced(op)
    if op.output.dim() not in (op.source.dim(), op.source.dim() - len(gone)):
        return None
    layout = mixed_over(op.layout, [op.layout.dims[d] for d in gone], gone=True)
    if op.output.dim() == op.source.dim():
        dims = [() if d in gone else dim for d, dim in enumerate(op.layout.dims)]
    else:
        dims = [dim for d, dim in enumerate(op.layout.dims) if d not in gone]
    return op.with_dims(dims, layout)


def _reduced(op: Operation) -> set[int]:
    dims = op.arg(2 if "vector_norm" in op.name else 1, "dim")
    if op.name == "norm":
        dims = op.arg(2, "dim")
    if dims is None or dims == []:
        return set(range(op.source.dim()))
    return {d % op.source.dim() for d in ([dims] if isinstance(dims, int) else dims)}


def _along_dims(op: Operation) -> Layout:
    """A softmax, a running sum: each value depends on the others along a dimension."""
    return mixed_over(op.layout, [op.layout.dims[op.dim(1, default=-1)]])


def _normalize_last(op: Operation) -> Layout | None:
    if op.number:
        return None
    return mixed_over(op.layout, op.layout.dims[-len(op.args[1]) :])


def _everywhere(op: Operation) -> Layout | None:
    """Norms over whole maps, attention: values stay in their places, and depend on all others."""
    return None if op.number else mixed(op.layout, AXES)


def _batch_norm(op: Operation) -> Layout | None:
    if op.number:
        return None
    training = "no_training" not in op.name and len(op.args) > 5 and op.args[5] is True
    return mixed(op.layout, AXES) if training else op.layout


def _gated(op: Operation) -> Layout:
    """Half of a dimension, gated by the other half."""
    number = op.dim(1, default=-1)
    dim, size = op.layout.dims[number], op.output.shape[number]
    half = other(size) if is_other(dim) else lost(size)
    layout = mixed_over(op.layout, [] if is_other(dim) else [dim])
    return op.with_dims((*layout.dims[:number], half, *layout.dims[number + 1 :]), layout)


def _chosen(op: Operation) -> Layout:
    """Some values along a dimension, in an order that the values give (sort, topk, gather)."""
    number = op.dim(2 if op.name == "topk" else 1, default=-1)
    dims = list(op.layout.dims)
    if "batch" in axes_of(dims[number]):
        return op.lost()
    kept = is_other(dims[number])
    dims[number] = (other if kept else lost)(op.output.shape[number])
    if len(dims) != op.output.dim():
        return op.lost()
    same = [size_of(d) == n for d, n in zip(dims, op.output.shape, strict=True)]
    return op.with_dims(dims, mixed(op.layout, AXES)) if all(same) else op.lost()


def _recurrent(op: Operation) -> Layout | None:
    """A recurrent layer over a sequence (T, N, C)."""
    if op.number or op.inputs[0][1] is None:
        return None
    layout = mixed(op.inputs[0][1], AXES)
    return op.with_dims((*layout.dims[:2], other(op.output.shape[2])), layout)


MIXING: dict[str, Rule] = {
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), _product),
    "mv": _matrix_vector,
    **dict.fromkeys(
        ("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention")
        + ("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention")
        + ("_scaled_dot_product_fused_attention_overrideable",),
        _attention,
    ),
    **dict.fromkeys(
        ("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "logsumexp")
        + ("linalg_vector_norm", "norm", "prod", "any", "all", "argmax", "argmin"),
        _reduce,
    ),
    **dict.fromkeys(
        ("_softmax", "_log_softmax", "cumsum", "cumprod", "_safe_softmax"),
        _along_dims,
    ),
    **dict.fromkeys(("sort", "topk", "gather"), _chosen),
    "native_layer_norm": _normalize_last,
    "_fused_rms_norm": _normalize_last,
    **dict.fromkeys(
        ("native_group_norm", "_batch_norm_with_update", "_native_multi_head_attention")
        + ("_transformer_encoder_layer_fwd",),
        _everywhere,
    ),
    **dict.fromkeys(
        ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm")
        + ("_native_batch_norm_legit_no_training", "_native_batch_norm_legit"),
        _batch_norm,
    ),
    "mkldnn_rnn_layer": _recurrent,
    "glu": _gated,
}
