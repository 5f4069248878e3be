"""What runs are measured by in more than one study."""

from experiments.claims.claim import Quantity

FINAL_LOSS = Quantity(
    name="final smoothed training loss", of=lambda summary: summary.final_loss
)
TEST_ACCURACY = Quantity(
    name="test accuracy at the end, %",
    of=lambda summary: 100 * float(summary.evaluations["test_accuracy"][-1]),
    digits=2,
)
LEARNING_RATE = Quantity(
    name="learning rate",
    of=lambda summary: summary.run.optimizer.learning_rate,
    digits=5,
)
