"""What every message to a user must be."""

import re


def assert_one_sentence(message):
    assert "\n" not in message
    assert message.endswith(".")
    # What the user wrote is quoted, and may be anything.
    assert ". " not in re.sub(r"'[^']*'|\"[^\"]*\"", "", message)
