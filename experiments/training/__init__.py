"""Training a run.

`train.py` takes runs, `loop.py` steps them, `learner.py` is one seed as pure functions,
and `parallel.py` computes several side by side; optimizers have their names in
`optimizers.py`.
"""
