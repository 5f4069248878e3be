"""Whether losses are such that each layer's call tells the variance of its gradient."""

from collections.abc import Callable
from typing import Any

import jax

# Of the losses' gradient these make multiples, if other operands are the same for all.
SCALINGS = {
    "add_any",
    "broadcast_in_dim",
    "convert_element_type",
    "copy",
    "div",
    "mul",
    "neg",
    "reshape",
    "squeeze",
}


def check_examples(
    losses_of: Callable[[dict[str, int], Any], Any], arguments: Any, size: int
) -> None:
    """Raise where a layer's first axis is not that of the losses, though as long.

    Time may have the length of the batch by chance. So the batch is made longer,
    without its numbers, and each layer must have more rows.

    Args:
      losses_of: ``losses_of(calls, arguments)``, a pair with the losses first; it notes
        the rows of each layer in ``calls``.
      arguments: tree; arrays whose first axis has the length ``size`` hold examples.
      size: how many losses there are.
    """
    leaves, tree = jax.tree.flatten(arguments)
    longer = {
        place: jax.ShapeDtypeStruct((2 * size, *leaf.shape[1:]), leaf.dtype)
        for place, leaf in enumerate(leaves)
        if getattr(leaf, "shape", ())[:1] == (size,)
    }
    calls: dict[str, int] = {}

    def grown(longer):
        filled = [longer.get(place, leaf) for place, leaf in enumerate(leaves)]
        return losses_of(calls, jax.tree.unflatten(tree, filled))[0]

    try:
        losses = jax.eval_shape(grown, longer)
    except Exception:
        return  # it can do nothing with that length, which tells nothing
    for name, rows in calls.items():
        if losses.shape != (rows,):
            raise ValueError(
                f"loss_fn must give layers its {size} examples along the first axis, "
                f"got another axis of that length for {name}."
            )


def check_uses(pullback: Callable[[Any], Any], losses: Any, params: Any) -> None:
    """Raise unless parameters add the same to all losses, but for their layers' calls.

    Then their gradient depends on the sum of that of the losses alone, which is read
    from the program.

    Args:
      pullback: the gradient at such uses of ``params``, from that of the losses.
      losses: ``(B,)``, of which only the type counts.
      params: tree of the parameters.
    """
    program = jax.make_jaxpr(pullback)(losses).jaxpr
    (cotangents,) = program.invars
    # By identity, as literals have no hash.
    multiples, mixed, same = {id(cotangents)}, set(), set()
    for equation in program.eqns:
        name, results = equation.primitive.name, {id(v) for v in equation.outvars}
        operands = {id(v) for v in equation.invars}
        alike = all(
            v.aval.size == 1 or id(v) in same | multiples for v in equation.invars
        )
        if operands & mixed:
            mixed |= results
        elif not operands & multiples:
            if name == "broadcast_in_dim" and alike:
                same |= results
        elif name in SCALINGS and alike:
            multiples |= results
        elif name != "reduce_sum" or equation.outvars[0].aval.size > 1:
            mixed |= results
    leaves = jax.tree.leaves_with_path(params)
    for ((*path, _), _), result in zip(leaves, program.outvars, strict=True):
        if id(result) in multiples | mixed:
            name = jax.tree_util.keystr(tuple(path), simple=True, separator=".")
            raise ValueError(
                f"loss_fn must use parameters in the calls of their layers only, or "
                f"add the same of them to all losses, got another use of {name!r}."
            )
