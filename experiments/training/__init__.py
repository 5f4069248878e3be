"""Training a run.

`train.py` takes runs, `loop.py` steps them, `learner.py` is one seed as pure functions,
and `parallel.py` lays seeds over devices; optimizers have their names in
`optimizers.py`.
"""
